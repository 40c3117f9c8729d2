"""The function's log group in an emulated CloudWatch Logs: created, changed, removed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mlspec.aws.action import delete
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.log_group import LogGroupProvider
from mlspec.aws.resources import LogGroup
from tests.aws.functions import changes, converge, function

NAME = "/aws/lambda/cola"


def test_created_changed_and_removed(target: AwsTarget, tmp_path: Path) -> None:
    provider, desired = LogGroupProvider(target), function(target, tmp_path).spec.log_group()
    assert provider.read(NAME) is None
    assert converge(provider, NAME, desired) == [f"+ log group {NAME}: 30 days"]
    existing = provider.read(NAME)
    assert existing is not None
    assert (existing.retention_days, existing.tags) == (30, desired.tags)
    assert existing.arn.endswith(f"log-group:{NAME}")
    assert changes(provider, NAME, desired) == []
    shorter = replace(desired, retention_days=7)
    assert converge(provider, NAME, shorter) == [f"~ log group {NAME} retentionInDays: 30 -> 7"]
    assert changes(provider, NAME, shorter) == []
    provider.apply(delete("log-group", NAME, None, {}))
    assert provider.read(NAME) is None


def test_the_history_never_expires_and_keeps_a_retention_that_it_has(target: AwsTarget, tmp_path: Path) -> None:
    provider, desired = LogGroupProvider(target), function(target, tmp_path).spec.history_group()
    assert converge(provider, desired.name, desired) == ["+ log group /mlspec/cola: never expires"]
    assert changes(provider, desired.name, desired) == []
    target.client("logs").put_retention_policy(logGroupName=desired.name, retentionInDays=365)
    assert changes(provider, desired.name, desired) == []


def test_one_that_keeps_its_logs_for_ever_gets_a_retention(target: AwsTarget) -> None:
    target.client("logs").create_log_group(logGroupName=NAME)
    assert converge(LogGroupProvider(target), NAME, LogGroup(NAME, 14)) == [f"~ log group {NAME} retentionInDays: 14"]


def test_another_log_group_with_that_prefix_is_not_it(target: AwsTarget) -> None:
    target.client("logs").create_log_group(logGroupName=f"{NAME}-staging")
    assert LogGroupProvider(target).read(NAME) is None
