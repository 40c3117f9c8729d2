"""A repository in an emulated Amazon ECR: created, changed, refused where AWS cannot change it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlspec.aws.aws_location import AwsLocation
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.ecr import LifecyclePolicy, Repository, repository
from mlspec.aws.repository import RepositoryProvider
from mlspec.errors import StageError
from mlspec.sections.registry import Ecr
from tests.aws.functions import changes, converge

LOCATION = AwsLocation("eu-west-1", "123456789012")
KEY = "arn:aws:kms:eu-west-1:123456789012:key/1a2b"


def desired(*, on_lambda: bool = True, **options: Any) -> Repository:
    ecr = Ecr.model_validate({"repository": "cola", "region": "eu-west-1", **options})
    return repository(ecr, LOCATION, "cola", on_lambda=on_lambda)


def test_created_and_left_alone(target: AwsTarget) -> None:
    provider = RepositoryProvider(target)
    assert provider.read("cola") is None
    lines = converge(provider, "cola", desired())
    assert [line.split(":")[0] for line in lines] == [
        "+ ecr repository cola",
        "+ ecr repository cola lifecycle policy",
        "+ ecr repository cola policy",
    ]
    existing = provider.read("cola")
    assert existing is not None
    assert (existing.immutable, existing.scan, existing.encryption) == (True, True, "AES256")
    assert (existing.lifecycle, existing.policy) == (desired().lifecycle, desired().policy)
    assert changes(provider, "cola", desired()) == []


def test_each_setting_is_one_action(target: AwsTarget) -> None:
    provider = RepositoryProvider(target)
    converge(provider, "cola", desired(pull_accounts=["111111111111"]))
    other = desired(immutable=False, scan=False, keep=5, on_lambda=False)
    actions = changes(provider, "cola", other)
    assert [action.operation for action in actions] == ["set-mutability", "set-scan", "set-lifecycle", "delete-policy"]
    assert converge(provider, "cola", other)[0] == "~ ecr repository cola imageTagMutability: IMMUTABLE -> MUTABLE"
    assert changes(provider, "cola", other) == []


def test_a_lifecycle_that_differs_in_its_descriptions_only_is_left_alone(target: AwsTarget) -> None:
    provider, spec = RepositoryProvider(target), desired()
    assert spec.lifecycle is not None
    rules = tuple(replace(rule, description="an earlier text") for rule in spec.lifecycle.rules)
    converge(provider, "cola", replace(spec, lifecycle=LifecyclePolicy(rules)))
    existing = provider.read("cola")
    assert existing is not None
    assert existing.lifecycle is not None
    assert existing.lifecycle.purposes == ", ".join(["an earlier text"] * 3)
    assert changes(provider, "cola", spec) == []


def test_another_key_is_refused(target: AwsTarget) -> None:
    provider = RepositoryProvider(target)
    converge(provider, "cola", desired())
    with pytest.raises(StageError, match="is encrypted with AES256, and AWS cannot change that") as refused:
        changes(provider, "cola", desired(kms_key=KEY))
    assert "registry.ecr.kms_key" in refused.value.help


def test_without_its_parts_no_policy_is_read(target: AwsTarget) -> None:
    """The rights of `mlspec destroy` do not include them."""
    converge(RepositoryProvider(target), "cola", desired())
    existing = RepositoryProvider(target, parts=False).read("cola")
    assert existing is not None
    assert (existing.lifecycle, existing.policy) == (None, None)
    assert existing.tags["mlspec:project"] == "cola"
