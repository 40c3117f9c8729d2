from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.parts.targets import REGISTRY, codes, files


@pytest.mark.parametrize(
    ("ecr", "code"),
    [
        ("{repository: Cola, region: eu-west-1}", "bad-repository-name"),
        ("{repository: a, region: eu-west-1}", "bad-repository-name"),
        ("{repository: team//cola, region: eu-west-1}", "bad-repository-name"),
        ("{repository: cola-, region: eu-west-1}", "bad-repository-name"),
        ("{repository: cola, region: europe}", "bad-format"),
        ('{repository: cola, region: eu-west-1, account: "12"}', "bad-format"),
        ("{repository: cola, region: eu-west-1, account: 123456789012}", "wrong-type"),
        ("{repository: cola, region: eu-west-1, keep: 1}", "out-of-range"),
        ("{region: eu-west-1}", "missing-key"),
        ('{repository: cola, region: eu-west-1, kms_key: "arn:aws:kms:us-east-1:123456789012:key/a"}', "key-elsewhere"),
        ('{repository: cola, region: eu-west-1, kms_key: "arn:aws:kms:eu-west-1:1:key/a"}', "bad-format"),
    ],
)
def test_faults(ecr: str, code: str, tmp_path: Path) -> None:
    assert codes(tmp_path, f"registry: {{ecr: {ecr}}}\n") == [code]


@pytest.mark.parametrize("name", ["cola", "team/cola", "a.b_c-d/e", "00"])
def test_names_that_ecr_takes(name: str, tmp_path: Path) -> None:
    assert codes(tmp_path, f'registry: {{ecr: {{repository: "{name}", region: us-gov-west-1}}}}\n') == []


def test_a_policy_only_where_somebody_else_needs_the_images(tmp_path: Path) -> None:
    made = files(tmp_path, REGISTRY)
    assert "ecr/repository-policy.json" not in made
    assert "ecr/github-trust.json" not in made
    made = files(tmp_path, REGISTRY.replace("}}", ', pull_accounts: ["210987654321"]}}'))
    (statement,) = json.loads(made["ecr/repository-policy.json"])["Statement"]
    assert statement["Principal"] == {"AWS": ["arn:aws:iam::210987654321:root"]}


def test_other_partitions_of_aws(tmp_path: Path) -> None:
    made = files(tmp_path, REGISTRY.replace("eu-west-1", "cn-north-1"))
    resource = json.loads(made["ecr/push-policy.json"])["Statement"][1]["Resource"]
    assert resource == "arn:aws-cn:ecr:cn-north-1:123456789012:repository/cola"
