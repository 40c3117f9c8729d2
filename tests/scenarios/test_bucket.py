"""The bucket of a project, as a person creates and removes it; AWS is emulated."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.aws.aws_target import AwsTarget
from tests.parts.targets import BASE, LAMBDA
from tests.shipping.cloud import BuiltImages, Run, Shipped

REMOTE = BASE.replace("data:\n", "data:\n  remote: s3://team-models/dvc\n")


@pytest.fixture
def project(target: AwsTarget, tmp_path: Path) -> Shipped:
    """A project with a bucket, whose folder alone is there: no image is built."""
    (tmp_path / "mlproject.yaml").write_text(REMOTE + LAMBDA + "bucket: {}\n", encoding="utf-8")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cola.csv").write_text("sentence,label\na,no\n", encoding="utf-8")
    return Shipped(tmp_path, target, "", BuiltImages(""))


def test_created_once_and_removed_only_while_it_is_empty(project: Shipped, mlspec: Run) -> None:
    """The stage runs in a process of its own, which knows the remote from `conf/account.yaml`."""
    code, out, err = mlspec(project, "apply", "--only", "bucket", "--yes")
    assert code == 0, out + err
    assert "bucket | + s3 bucket team-models: eu-west-1" in err
    code, out, _ = mlspec(project, "apply", "--only", "bucket", "--yes")
    assert (code, "bucket  up to date" in out) == (0, True)
    client = project.target.client("s3")
    client.delete_bucket_policy(Bucket="team-models")  # which refuses requests without TLS, as those of this test
    client.put_object(Bucket="team-models", Key="dvc/files/md5/aa/bb", Body=b"1")
    code, out, _ = mlspec(project, "destroy", "--yes")
    assert code == 0
    assert "s3 bucket team-models is kept: it holds data, and mlspec deletes none." in out
    versions = client.list_object_versions(Bucket="team-models")["Versions"]
    client.delete_object(Bucket="team-models", Key="dvc/files/md5/aa/bb", VersionId=versions[0]["VersionId"])
    code, out, err = mlspec(project, "destroy", "--yes")
    assert "- s3 bucket team-models (it is empty)" in out
    assert "removed: s3 bucket team-models" in err
    assert client.list_buckets()["Buckets"] == []


def test_a_bucket_that_is_there_is_taken_over_only_on_request(project: Shipped, mlspec: Run) -> None:
    where = {"LocationConstraint": "eu-west-1"}
    project.target.client("s3").create_bucket(Bucket="team-models", CreateBucketConfiguration=where)
    code, _, err = mlspec(project, "apply", "--only", "bucket", "--yes")
    assert code == 4
    assert "s3 bucket team-models exists already: it was not created by mlspec" in err
    assert "remove the section `bucket`" in err
    assert mlspec(project, "apply", "--only", "bucket", "--yes", "--adopt")[0] == 0
    code, out, _ = mlspec(project, "apply", "--only", "bucket", "--yes")
    assert "bucket  up to date" in out
