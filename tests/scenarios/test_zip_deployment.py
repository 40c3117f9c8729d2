"""A function made of a zip: no registry, no Docker; AWS is emulated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlspec.aws.action import lines
from mlspec.aws.aws_target import AwsTarget
from mlspec.errors import StageError
from mlspec.records.bundle_provenance import BundleProvenance
from mlspec.records.bundle_signature import SignatureInput
from mlspec.records.image_labels import labels
from mlspec.shipping import remote_changes
from mlspec.stage_context import StageContext
from tests.packaged import SIGNATURE, with_inputs
from tests.parts.targets import BASE, EXPORT, codes, files
from tests.shipping.cloud import Shipped, watched
from tests.shipping.zipped import BUCKET, SPEC, zip_project, zipped


@pytest.fixture
def project(target: AwsTarget, tmp_path: Path) -> Shipped:
    return zip_project(target, tmp_path)


def changes(project: Shipped) -> list[str]:
    return lines(remote_changes.deploy(project.job(), project.artifacts, project.context, project.target))


def test_from_nothing_again_and_after_a_change(project: Shipped) -> None:
    assert changes(project)[3] == "+ lambda function cola: a zip"
    with pytest.raises(StageError, match="no zip to deploy"):
        project.deploy()
    zipped(project, "one")
    project.deploy()
    result = project.target.client("lambda").get_function_configuration(FunctionName="cola", Qualifier="live")
    assert (result["Runtime"], result["Handler"], result["MemorySize"]) == ("python3.12", "handler.handle", 512)
    assert project.release["image"] is None
    assert project.release["release"]["commit"] == "b" * 40
    assert project.release["function"]["version"] == "1"
    calls = watched(project.target)
    assert changes(project) == []
    project.deploy()
    assert calls.changing == []
    zipped(project, "two")
    assert changes(project)[0].startswith("~ lambda function cola CodeSha256: ")
    project.deploy()
    assert project.release["function"]["version"] == "2"
    assert changes(project) == []
    assert not [call for call in calls.recorded if call[0].endswith("ecr")]


def test_a_zip_that_is_too_large_or_no_longer_the_same(project: Shipped) -> None:
    zipped(project, "one", direct=False, size_bytes=60 * 2**20)
    with pytest.raises(StageError, match="has 60 MiB, and Lambda accepts 50 MiB without S3") as failure:
        project.deploy()
    assert "package.zip.bucket" in failure.value.help
    zipped(project, "one", sha256="0" * 64)
    with pytest.raises(StageError, match="no longer the file that was tested"):
        project.deploy()


def test_an_image_cannot_become_a_zip(project: Shipped) -> None:
    zipped(project, "one")
    project.deploy()
    spec = SPEC.replace("{zip: {}}", "{docker: {}}") + "registry: {ecr: {repository: cola, region: eu-west-1}}\n"
    (project.root / "mlproject.yaml").write_text(spec)
    with pytest.raises(StageError, match="consists of a zip file, and Lambda cannot change it to an image"):
        changes(project)


def test_where_it_is_and_what_it_needs(tmp_path: Path) -> None:
    base = EXPORT + "package: {zip: {}}\n"
    assert codes(tmp_path, base + "deploy: {lambda: {}}\n") == ["section-needed"]
    assert codes(tmp_path, base + "deploy: {lambda: {region: eu-west-1}}\n") == []
    elsewhere = "registry: {ecr: {repository: cola, region: us-east-1}}\ndeploy: {lambda: {region: eu-west-1}}\n"
    assert codes(tmp_path, EXPORT + "package: {docker: {}}\n" + elsewhere) == ["conflicting-options"]
    generated = files(tmp_path, base + "deploy: {lambda: {region: eu-west-1}}\n")
    function = json.loads(generated["lambda/function.json"])
    assert function["PackageType"] == "Zip"
    assert "ecr:" not in generated["lambda/deploy-policy.json"]


def test_a_zip_that_breaks_clients_of_the_live_version_is_refused(project: Shipped) -> None:
    zipped(project, "one")
    project.deploy()
    new = with_inputs(*SIGNATURE.inputs, SignatureInput(name="author", type="text"))
    zipped(project, "two", labels=labels(BundleProvenance(commit="c" * 40), new))
    assert [line for line in changes(project) if "author" in line]
    with pytest.raises(StageError, match=r"breaks clients of the live one: .*author") as refused:
        project.deploy()
    assert refused.value.help.endswith("mlspec apply --allow-breaking")
    live = project.target.client("lambda").get_alias(FunctionName="cola", Name="live")
    assert live["FunctionVersion"] == "1"
    project.context = StageContext(allow_breaking=True)
    project.deploy()
    assert project.release["function"]["version"] == "2"


def test_a_zip_too_large_for_a_call_is_uploaded_through_a_bucket_that_stays_empty(project: Shipped) -> None:
    (project.root / "mlproject.yaml").write_text(BUCKET)
    zipped(project, "large", direct=False, size_bytes=60 * 2**20)
    with pytest.raises(StageError, match=r"the S3 bucket for the zip .* does not exist") as failure:
        project.deploy()
    assert failure.value.help == "let mlspec create it: add `bucket: {}` to the spec; or correct package.zip.bucket"
    s3 = project.target.client("s3")
    s3.create_bucket(Bucket="my-zips", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    try:
        calls = watched(project.target, ("lambda", "s3"))
        project.deploy()
        (created,) = [given for _, name, given in calls.recorded if name == "CreateFunction"]
        assert created["Code"] == {"S3Bucket": "my-zips", "S3Key": "mlspec/cola/function.zip"}
        assert "Contents" not in s3.list_objects_v2(Bucket="my-zips")
        assert changes(project) == []
        zipped(project, "larger", direct=False, size_bytes=70 * 2**20)
        project.deploy()
        (created,) = [given for _, name, given in calls.recorded if name == "UpdateFunctionCode"]
        assert created["S3Key"] == "mlspec/cola/function.zip"
        assert project.release["function"]["version"] == "2"
        assert "Contents" not in s3.list_objects_v2(Bucket="my-zips")
    finally:
        s3.delete_bucket(Bucket="my-zips")


def test_only_who_ships_by_a_bucket_may_write_to_it(tmp_path: Path) -> None:
    assert "s3:" not in files(tmp_path, SPEC.removeprefix(BASE))["lambda/deploy-policy.json"]
    policy = json.loads(files(tmp_path, BUCKET.removeprefix(BASE))["lambda/deploy-policy.json"])
    (rights,) = [s for s in policy["Statement"] if s["Sid"] == "Zip"]
    assert rights["Resource"] == "arn:aws:s3:::my-zips/mlspec/cola/*"
    assert codes(tmp_path, BUCKET.removeprefix(BASE).replace("my-zips", "My_Zips")) == ["bad-format"]
