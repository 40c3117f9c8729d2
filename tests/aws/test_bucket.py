"""A bucket in an emulated Amazon S3: created private, brought to its settings, never opened and never taken away."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from pydantic import JsonValue

from mlspec.aws.aws_location import AwsLocation
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.bucket import PRIVATE, Bucket, bucket, merged_rules, unknown_parts
from mlspec.aws.bucket_provider import BucketProvider
from mlspec.aws.policy_document import PolicyDocument, Statement
from mlspec.aws.resource_owner import ResourceOwner
from mlspec.errors import StageError
from mlspec.sections.bucket import BucketSpec
from mlspec.source.key_place import key_place
from tests.aws.functions import OFFLINE, changes, converge

LOCATION = AwsLocation("eu-west-1", "123456789012")
NAME = "team-models"
OWN = {"mlspec:project": "cola", "mlspec:managed-by": "mlspec"}


def provider_of(target: AwsTarget) -> BucketProvider:
    return BucketProvider(target, LOCATION, "data.remote")


def desired(region: str = "eu-west-1", source: str = "", days: int = 30) -> Bucket:
    return bucket(NAME, BucketSpec(keep_replaced=days), LOCATION._replace(region=region), "cola", source)


def existing(target: AwsTarget, **tags: str) -> None:
    """A bucket as somebody creates it by hand."""
    client = target.client("s3")
    client.create_bucket(Bucket=NAME, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    if tags:
        pairs = [{"Key": key.replace("_", ":"), "Value": value} for key, value in tags.items()]
        client.put_bucket_tagging(Bucket=NAME, Tagging={"TagSet": pairs})


def test_created_private_and_left_alone(target: AwsTarget) -> None:
    provider = provider_of(target)
    assert provider.read(NAME) is None
    assert converge(provider, NAME, desired()) == [
        "+ s3 bucket team-models: eu-west-1",
        "+ s3 bucket team-models public access: blocked",
        "+ s3 bucket team-models encryption: AES256",
        "+ s3 bucket team-models versions: Enabled",
        "+ s3 bucket team-models lifecycle: abort-incomplete-uploads after 7 days, "
        "expire-replaced-objects after 30 days",
        "+ s3 bucket team-models policy: TlsOnly",
    ]
    created = provider.read(NAME)
    assert created is not None
    assert replace(created, rules=(), policy=None) == replace(desired(), rules=(), policy=None)
    assert changes(provider, NAME, desired()) == []


def test_one_whose_creation_is_interrupted_has_an_owner(target: AwsTarget) -> None:
    """Amazon S3 creates it with its tags. The emulator ignores these, so that the request is what shows it."""
    stub = Stubber((offline := replace(OFFLINE)).client("s3"))
    request = {
        "Bucket": NAME,
        "ObjectOwnership": "BucketOwnerEnforced",
        "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1", "Tags": desired().tag_pairs},
    }
    stub.add_response("create_bucket", {}, request)
    stub.add_client_error("put_bucket_tagging", "InternalError")
    with stub, pytest.raises(ClientError, match="PutBucketTagging"):
        provider_of(offline).apply(provider_of(target).diff(desired(), None)[0])
    converge(provider_of(target), NAME, desired())
    tags = target.client("s3").get_bucket_tagging(Bucket=NAME)["TagSet"]
    assert tags == desired().tag_pairs


def test_a_key_is_set_and_stays_where_the_spec_names_none(target: AwsTarget) -> None:
    key = "arn:aws:kms:eu-west-1:123456789012:key/1a2b"
    encrypted = replace(desired(), encryption="aws:kms", kms_key=key)
    converge(provider_of(target), NAME, desired())
    assert converge(provider_of(target), NAME, encrypted) == [f"~ s3 bucket team-models encryption: AES256 -> {key}"]
    assert changes(provider_of(target), NAME, encrypted) == []
    assert changes(provider_of(target), NAME, desired()) == []


def test_the_first_region_of_aws_is_not_named(target: AwsTarget) -> None:
    virginia = replace(target, region="us-east-1")
    converge(provider_of(virginia), NAME, desired("us-east-1"))
    created = provider_of(virginia).read(NAME)
    assert created is not None
    assert created.location.region == "us-east-1"


def test_each_setting_is_one_action(target: AwsTarget) -> None:
    existing(target, mlspec_project="cola", team="data")
    provider = provider_of(target)
    target.client("s3").delete_bucket_encryption(Bucket=NAME)
    actions = changes(provider, NAME, desired(source="https://example.org/cola"))
    assert [action.operation for action in actions] == [
        "tag", "set-ownership", "block-public-access", "set-encryption", "set-versioning", "set-lifecycle", "set-policy",
    ]  # fmt: skip
    converge(provider, NAME, desired(source="https://example.org/cola"))
    after = provider.read(NAME)
    assert after is not None
    assert after.tags["team"] == "data"
    assert after.public_access == PRIVATE
    assert changes(provider, NAME, desired()) == []
    assert converge(provider, NAME, desired(days=90)) == [
        "~ s3 bucket team-models lifecycle: abort-incomplete-uploads after 7 days, expire-replaced-objects after 30 "
        "days -> abort-incomplete-uploads after 7 days, expire-replaced-objects after 90 days",
    ]


def test_what_others_added_stays(target: AwsTarget) -> None:
    provider, client = provider_of(target), target.client("s3")
    converge(provider, NAME, desired())
    archive: JsonValue = {
        "ID": "archive", "Status": "Enabled", "Filter": {"Prefix": "raw/"},
        "Transitions": [{"Days": 90, "StorageClass": "GLACIER"}],
    }  # fmt: skip
    client.put_bucket_lifecycle_configuration(Bucket=NAME, LifecycleConfiguration={"Rules": [archive]})
    read = Statement("s3:GetObject", f"arn:aws:s3:::{NAME}/*", "Partner", {"AWS": "arn:aws:iam::210987654321:root"})
    client.put_bucket_policy(Bucket=NAME, Policy=PolicyDocument((read,)).to_text())
    encryption = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]}
    client.put_bucket_encryption(Bucket=NAME, ServerSideEncryptionConfiguration=encryption)
    current = provider.read(NAME)
    assert current is not None
    assert unknown_parts(desired(), current) == [
        "the lifecycle rule archive", "the policy statement Partner", "the encryption aws:kms",
    ]  # fmt: skip
    assert converge(provider, NAME, desired()) == [
        "~ s3 bucket team-models lifecycle: archive -> abort-incomplete-uploads after 7 days, "
        "expire-replaced-objects after 30 days, archive",
        "~ s3 bucket team-models policy: Partner -> TlsOnly, Partner",
    ]
    after = provider.read(NAME)
    assert after is not None
    assert {rule["ID"] for rule in after.rules} == {rule["ID"] for rule in merged_rules(desired().rules, [archive])}  # type: ignore[list-item]
    assert after.policy is not None
    assert after.policy.sids == "TlsOnly, Partner"
    assert after.encryption == "aws:kms"
    assert changes(provider, NAME, desired()) == []


def test_a_request_without_tls_is_refused_and_no_other() -> None:
    policy = desired().policy
    assert policy is not None
    assert json.loads(policy.to_text())["Statement"] == [
        {
            "Sid": "TlsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
            "Resource": [f"arn:aws:s3:::{NAME}", f"arn:aws:s3:::{NAME}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ]  # fmt: skip


def test_one_that_mlspec_did_not_create_is_taken_over_only_on_request(target: AwsTarget) -> None:
    existing(target)
    with pytest.raises(
        StageError, match="s3 bucket team-models exists already: it was not created by mlspec"
    ) as refused:
        changes(provider_of(target), NAME, desired())
    assert "take it over: mlspec apply --adopt" in refused.value.help
    assert "remove the section `bucket`" in refused.value.help
    adopting = replace(target, owner=ResourceOwner(adopts=True))
    converge(provider_of(adopting), NAME, desired())
    assert changes(provider_of(target), NAME, desired()) == []


def test_one_of_another_project_is_refused(target: AwsTarget) -> None:
    existing(target, mlspec_project="mood")
    adopting = replace(target, owner=ResourceOwner(adopts=True))
    with pytest.raises(StageError, match="it belongs to the project mood") as refused:
        changes(provider_of(adopting), NAME, desired())
    assert "'TagSet=[{Key=mlspec:project,Value=cola}]'" in refused.value.help


def test_one_in_another_region_is_refused(target: AwsTarget) -> None:
    existing(target, mlspec_project="cola")
    with pytest.raises(StageError, match="is in eu-west-1, not in eu-north-1") as refused:
        changes(provider_of(target), NAME, desired("eu-north-1"))
    assert "set bucket.region to eu-west-1, or choose another name (data.remote)" in refused.value.help


def test_a_taken_name_has_the_line_of_its_key(tmp_path: Path) -> None:
    """Also where an environment names it; another spec than that of the folder has no line."""
    spec = tmp_path / "mlproject.yaml"
    spec.write_text("data: {remote: s3://mine/dvc}\nenvironments:\n  prod:\n    data: {remote: s3://team-models/dvc}\n")
    for place in ("mlproject.yaml:4: data.remote", "data.remote"):
        target = replace(OFFLINE, owner=ResourceOwner(place=partial(key_place, tmp_path)))
        stub = Stubber(target.client("s3"))
        stub.add_client_error("head_bucket", "403", http_status_code=403)
        with stub, pytest.raises(StageError) as refused:
            provider_of(target).read(NAME)
        assert f"choose another one ({place})" in refused.value.help
        spec.write_text("data: {remote: s3://mine/dvc}\n")


@pytest.mark.parametrize("call", ["head_bucket", "create_bucket"])
def test_the_name_of_another_account_is_refused_at_its_key(call: str) -> None:
    """S3 answers a stranger nothing else: the emulator does not know other accounts, so its answers are stubbed."""
    target = replace(OFFLINE)
    stub = Stubber(target.client("s3"))
    if call == "head_bucket":
        stub.add_client_error(call, "403", http_status_code=403)
    else:
        stub.add_client_error("head_bucket", "404", http_status_code=404)
        stub.add_client_error(call, "BucketAlreadyExists")
    with stub, pytest.raises(StageError, match="the name team-models is taken in Amazon S3") as refused:
        converge(provider_of(target), NAME, desired())
    assert "choose another one (data.remote)" in refused.value.help
    assert "s3/bucket-admin-policy.json" in refused.value.help


def test_only_an_empty_bucket_is_empty(target: AwsTarget) -> None:
    """The last version of a deleted object counts: it can still be restored. The emulator has no TLS, and the policy of
    the bucket would refuse to write to it."""
    provider, client = provider_of(target), target.client("s3")
    converge(provider, NAME, replace(desired(), policy=None))
    assert not provider.objects(NAME)
    client.put_object(Bucket=NAME, Key="dvc/a", Body=b"1")
    assert provider.objects(NAME)
    client.delete_object(Bucket=NAME, Key="dvc/a")
    assert provider.objects(NAME)
