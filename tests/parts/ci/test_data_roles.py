"""Who may read the DVC remote, and who may write to it."""

from __future__ import annotations

from pathlib import Path

from mlspec.aws.aws_location import AwsLocation
from mlspec.aws.policy_document import PolicyDocument
from mlspec.parts.ci.data_roles import data_roles, files
from tests.parts.targets import BASE, LAMBDA, build

AT = AwsLocation("eu-west-1", "123456789012")
WATCHED = "ci: {}\nmonitor: {drift: {}}\n"


def documents(
    folder: Path, remote: str, more: str = "ci: {}\n", repository: str = "octo-org/cola"
) -> dict[str, PolicyDocument]:
    project = build(folder, LAMBDA + more, BASE.replace("data:\n", f"data:\n  remote: {remote}\n")).project
    return files(project, AT, repository)


def test_only_jobs_in_the_environments_may_write(tmp_path: Path) -> None:
    generated = documents(tmp_path, "s3://bucket/dvc/", WATCHED)
    (read,), (write,) = generated["read-trust"].statements, generated["write-trust"].statements
    issuer = "token.actions.githubusercontent.com"
    assert read.condition["StringLike"] == {f"{issuer}:sub": "repo:octo-org/cola:*"}
    assert write.condition["StringEquals"][f"{issuer}:sub"] == [
        "repo:octo-org/cola:environment:training",
        "repo:octo-org/cola:environment:monitoring",
        "repo:octo-org/cola:environment:production",
    ]
    for statement in (read, write):
        assert statement.condition["StringEquals"][f"{issuer}:aud"] == "sts.amazonaws.com"


def test_reading_and_writing_are_separate_rights_on_the_remote_alone(tmp_path: Path) -> None:
    generated = documents(tmp_path, "s3://bucket/dvc/")
    assert generated["read-policy"].actions == ["s3:GetObject", "s3:ListBucket"]
    assert generated["write-policy"].actions == [
        "s3:AbortMultipartUpload", "s3:GetObject", "s3:ListBucket", "s3:PutObject"
    ]  # fmt: skip
    objects, listed = generated["write-policy"].statements
    assert objects.resource == "arn:aws:s3:::bucket/dvc/*"
    assert listed.resource == "arn:aws:s3:::bucket"
    assert listed.condition == {"StringLike": {"s3:prefix": ["dvc", "dvc/*"]}}


def test_a_remote_without_a_prefix_is_the_whole_bucket(tmp_path: Path) -> None:
    objects, listed = documents(tmp_path, "s3://bucket")["read-policy"].statements
    assert (objects.resource, listed.condition) == ("arn:aws:s3:::bucket/*", {})


def test_who_watches_the_model_writes_with_one_role(tmp_path: Path) -> None:
    base = BASE.replace("data:\n", "data:\n  remote: s3://bucket/dvc\n")
    read, write = data_roles(build(tmp_path, LAMBDA + WATCHED, base).project, AT, "octo-org/cola")
    assert [list(role.policies) for role in (read, write)] == [["data"], ["data", "monitor"]]
    assert "logs:FilterLogEvents" in write.policies["monitor"].actions
    assert (read.name("a" * 64), write.variable) == ("a" * 53 + "-data-read", "AWS_DATA_ROLE_ARN")


def test_a_remote_elsewhere_has_no_roles(tmp_path: Path) -> None:
    assert data_roles(build(tmp_path, LAMBDA + "ci: {}\n").project, AT, "") == ()
