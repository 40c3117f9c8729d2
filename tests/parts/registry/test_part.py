from __future__ import annotations

import json
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

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


def test_a_repository_policy_only_where_other_services_need_the_images(tmp_path: Path) -> None:
    generated = files(tmp_path, REGISTRY)
    assert "ecr/repository-policy.json" not in generated
    assert "ecr/github-trust.json" not in generated
    generated = files(tmp_path, REGISTRY.replace("}}", ', pull_accounts: ["210987654321"]}}'))
    (statement,) = json.loads(generated["ecr/repository-policy.json"])["Statement"]
    assert statement["Principal"] == {"AWS": ["arn:aws:iam::210987654321:root"]}


def test_other_partitions_of_aws(tmp_path: Path) -> None:
    generated = files(tmp_path, REGISTRY.replace("eu-west-1", "cn-north-1"))
    resource = json.loads(generated["ecr/push-policy.json"])["Statement"][1]["Resource"]
    assert resource == "arn:aws-cn:ecr:cn-north-1:123456789012:repository/cola"


def expired(rules: list[dict[str, Any]], images: list[tuple[int, set[str]]]) -> set[int]:
    """What ECR's evaluator would expire of images by (age in days, tags), as its documentation has it: what a rule
    selects is out of reach of every later one; a pattern list selects an image that has a tag for each pattern."""
    reached: set[int] = set()
    gone: set[int] = set()
    for rule in sorted(rules, key=lambda r: int(r["rulePriority"])):
        expected = rule["selection"]
        chosen = [
            (age, n)
            for n, (age, tags) in enumerate(images)
            if n not in reached
            and (
                not tags
                if expected["tagStatus"] == "untagged"
                else tags and all(any(fnmatch(tag, p) for tag in tags) for p in expected["tagPatternList"])
            )
        ]
        reached |= {n for _, n in chosen}
        if expected["countType"] == "imageCountMoreThan":
            gone |= {n for _, n in sorted(chosen)[expected["countNumber"] :]}
        else:
            gone |= {n for age, n in chosen if age > expected["countNumber"]}
    return gone


def test_what_is_live_never_expires(tmp_path: Path) -> None:
    generated = files(tmp_path, REGISTRY.replace("}}", ", keep: 2}}"))
    rules = json.loads(generated["ecr/lifecycle-policy.json"])["rules"]
    images = [(9, set()), (1, set()), (400, {"a-1", "keep-7"}), (300, {"b-1", "keep-8"}), (30, {"c"}), (20, {"d"}),
              (10, {"e"})]  # fmt: skip
    assert expired(rules, images) == {0, 4}
    bare = [(age, {tag for tag in tags if not tag.startswith("keep-")}) for age, tags in images]
    assert {2, 3} <= expired(rules, bare)
