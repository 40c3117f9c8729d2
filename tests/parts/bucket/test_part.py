"""The section `bucket`: which bucket is meant, where it is, and the stage that creates it in an emulated account."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlspec.aws.action import lines
from mlspec.aws.aws_target import AwsTarget
from mlspec.job import Job
from mlspec.parts.bucket import work
from mlspec.shipping import bucket_changes
from mlspec.stage_context import StageContext
from tests.parts.targets import BASE, EXPORT, LAMBDA, REGISTRY, build, codes, files
from tests.shipping.cloud import watched

REMOTE = BASE.replace("data:\n", "data:\n  remote: s3://team-models/dvc\n")
ZIP = EXPORT + "package: {zip: {bucket: team-models}}\ndeploy: {lambda: {region: eu-west-1}}\n"
KEY = "arn:aws:kms:eu-west-1:123456789012:alias/ml-data"
ALONE = "train: {}\nbucket: {region: eu-west-1}\n"


@pytest.mark.parametrize(
    ("text", "base", "expected"),
    [
        (ALONE, REMOTE, []),
        (REGISTRY + "bucket: {}\n", REMOTE, []),
        (ZIP + "bucket: {}\n", BASE, []),
        (ZIP + "bucket: {}\n", REMOTE, []),
        (ALONE.replace("bucket: {", "bucket: {name: team-data, "), BASE, []),
        (ALONE, BASE, ["section-needed"]),
        (ALONE, BASE.replace("data:\n", "data:\n  remote: dagshub://ada/cola\n"), ["section-needed"]),
        ("bucket: {}\n", REMOTE, ["section-needed"]),
        (ZIP + "bucket: {}\n", REMOTE.replace("models", "data"), ["conflicting-options"]),
        (ZIP + "bucket: {name: team-data}\n", REMOTE.replace("models", "data"), []),
        (ALONE.replace("bucket: {", "bucket: {name: team-data, "), REMOTE, ["conflicting-options"]),
        (ALONE, REMOTE.replace("team-models", "Team_Models"), ["bad-format"]),
        (ALONE, REMOTE.replace("team-models", "10.0.0.1"), ["bad-format"]),
        (ALONE.replace("bucket: {", "bucket: {name: Team, "), BASE, ["bad-format"]),
        (ZIP + "bucket: {region: eu-north-1}\n", BASE, ["conflicting-options"]),
        (LAMBDA + "bucket: {region: eu-north-1}\n", REMOTE, []),
        (LAMBDA.replace("deploy: {", "deploy: {iac: sam, ") + "bucket: {region: eu-north-1}\n", REMOTE, ["conflicting-options"]),
        (ALONE.replace("west-1}", "west-1, keep_replaced: 0}"), REMOTE, ["out-of-range"]),
        (ALONE.replace("west-1}", f"west-1, kms_key: '{KEY}'}}"), REMOTE, []),
        (ALONE.replace("west-1}", "west-1, kms_key: alias/data}"), REMOTE, ["bad-format"]),
        (ALONE.replace("west-1}", f"north-1, kms_key: '{KEY}'}}"), REMOTE, ["key-elsewhere"]),
        (ALONE + "environments: {prod: {bucket: {keep_replaced: 9}}}\n", REMOTE, ["shared-bucket"] * 2),
        (ALONE + "environments: {prod: {bucket: {region: us-east-1}}}\n", REMOTE, ["shared-bucket"] * 2),
        (ALONE + "environments: {prod: {bucket: {keep_replaced: 9, name: b-prod}, data: {remote: s3://b-prod/dvc}}}\n", REMOTE, []),
    ],
)  # fmt: skip
def test_faults(text: str, base: str, expected: list[str], tmp_path: Path) -> None:
    assert codes(tmp_path, text, base) == expected


def test_without_the_section_a_bucket_is_only_used(tmp_path: Path) -> None:
    built = build(tmp_path, ZIP, REMOTE)
    assert not [file.path for file in built.files if file.path.startswith("s3/")]
    assert "bucket" not in {stage.name for stage in built.plan.stages}
    assert "s3:CreateBucket" not in "".join(file.text for file in built.files)


@pytest.mark.parametrize("tool", ["terraform", "sam", "serverless"])
def test_a_delivery_tool_creates_it_instead_of_the_stage(tool: str, tmp_path: Path) -> None:
    text = LAMBDA + "bucket: {}\n"
    assert "bucket" in {stage.name for stage in build(tmp_path, text, REMOTE).plan.stages}
    by_tool = build(tmp_path, text.replace("deploy: {", f"deploy: {{iac: {tool}, "), REMOTE)
    assert "bucket" not in {stage.name for stage in by_tool.plan.stages}


def test_the_stage_needs_only_the_rights_of_its_file(target: AwsTarget, tmp_path: Path) -> None:
    built = build(tmp_path, ALONE, REMOTE)
    (tmp_path / "artifacts").mkdir()
    project, artifacts = built.project, tmp_path / "artifacts"
    job = Job(tmp_path, artifacts, artifacts, project.values, project.sections)
    planned = lines(bucket_changes.bucket(project, artifacts, StageContext(root=tmp_path), target))
    assert planned[0] == "+ s3 bucket team-models: eu-west-1"
    calls = watched(target)
    work.ship(job, target)
    assert bucket_changes.bucket(project, artifacts, StageContext(root=tmp_path), target) == []
    policy = next(json.loads(file.text) for file in built.files if file.path == "s3/bucket-admin-policy.json")
    [statement] = policy["Statement"]
    assert calls.actions() - {"sts:GetCallerIdentity"} <= set(statement["Action"])
    assert statement["Resource"] == "arn:aws:s3:::team-models"


def test_what_only_the_stages_of_an_account_read_is_in_a_file_of_its_own(tmp_path: Path) -> None:
    """A change of the remote makes no other stage run again."""
    generated = files(tmp_path, LAMBDA + "bucket: {}\n", REMOTE)
    assert "remote: s3://team-models/dvc" in generated["conf/account.yaml"]
    assert "remote" not in generated["conf/data/default.yaml"]
    assert "conf/account.yaml" not in files(tmp_path, LAMBDA, REMOTE)
    assert "conf/account.yaml" not in generated["dvc.yaml"]


def test_the_key_is_that_of_every_role_that_reads_or_writes(tmp_path: Path) -> None:
    """Through Amazon S3 alone; a policy names the keys that have the alias."""
    text = ZIP + f"bucket: {{kms_key: '{KEY}'}}\nci: {{github: {{repository: me/cola}}}}\n"
    created = files(tmp_path, text, REMOTE)
    rights = {
        name: json.loads(created[name])["Statement"][-1] for name in ("s3/read-policy.json", "s3/write-policy.json")
    }
    assert rights["s3/read-policy.json"] == {
        "Sid": "Key",
        "Effect": "Allow",
        "Action": ["kms:Decrypt"],
        "Resource": "arn:aws:kms:eu-west-1:123456789012:key/*",
        "Condition": {
            "StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"},
            "ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/ml-data"},
        },
    }
    assert rights["s3/write-policy.json"]["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    deploy = json.loads(created["lambda/deploy-policy.json"])["Statement"]
    assert [one["Action"] for one in deploy if one["Sid"] == "Key"] == [["kms:Decrypt", "kms:GenerateDataKey"]]
    assert json.loads(created["s3/bucket-encryption.json"])["ServerSideEncryptionConfiguration"]["Rules"] == [
        {
            "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY},
            "BucketKeyEnabled": True,
        }
    ]
