"""Who may read the DVC remote, and who may write to it."""

from __future__ import annotations

from mlspec.aws.aws_location import AwsLocation
from mlspec.parts.ci.data_roles import files

AT = AwsLocation("eu-west-1", "123456789012")


def test_only_jobs_in_the_environments_may_write() -> None:
    documents = files(AT, "s3://bucket/dvc/", "octo-org/cola", ("training", "monitoring"))
    (read,), (write,) = documents["read-trust"].statements, documents["write-trust"].statements
    issuer = "token.actions.githubusercontent.com"
    assert read.condition["StringLike"] == {f"{issuer}:sub": "repo:octo-org/cola:*"}
    assert write.condition["StringEquals"][f"{issuer}:sub"] == [
        "repo:octo-org/cola:environment:training",
        "repo:octo-org/cola:environment:monitoring",
    ]
    for statement in (read, write):
        assert statement.condition["StringEquals"][f"{issuer}:aud"] == "sts.amazonaws.com"


def test_reading_and_writing_are_separate_rights_on_the_remote_alone() -> None:
    documents = files(AT, "s3://bucket/dvc/", "", ("training",))
    assert documents["read-policy"].actions == ["s3:GetObject", "s3:ListBucket"]
    assert documents["write-policy"].actions == [
        "s3:AbortMultipartUpload", "s3:GetObject", "s3:ListBucket", "s3:PutObject"
    ]  # fmt: skip
    objects, listed = documents["write-policy"].statements
    assert objects.resource == "arn:aws:s3:::bucket/dvc/*"
    assert listed.resource == "arn:aws:s3:::bucket"
    assert listed.condition == {"StringLike": {"s3:prefix": ["dvc", "dvc/*"]}}


def test_a_remote_without_a_prefix_is_the_whole_bucket() -> None:
    objects, listed = files(AT, "s3://bucket", "", ("training",))["read-policy"].statements
    assert (objects.resource, listed.condition) == ("arn:aws:s3:::bucket/*", {})
