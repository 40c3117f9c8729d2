"""The alarms on a function's requests in an emulated CloudWatch: created, changed, removed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlspec.aws.alarm_settings import evaluated_metrics
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.metric_alarm import MetricAlarmProvider, desired_alarms
from mlspec.errors import StageError
from tests.aws.functions import changes, converge, function

TOPIC = "arn:aws:sns:eu-west-1:123456789012:on-call"
OPTIONS = f'{{alarms: {{error_rate: "> 0.05", p95_ms: ">= 300", window: 2m, notify: ["{TOPIC}"]}}}}'


def test_created_changed_and_removed(target: AwsTarget, tmp_path: Path) -> None:
    provider = MetricAlarmProvider(target, "live", "cola")
    desired = desired_alarms(function(target, tmp_path, OPTIONS).spec.alarms())
    assert provider.read("cola") == {}
    assert converge(provider, "cola", desired) == [
        "+ cloudwatch alarm cola-live-service-error-rate: Requests to cola, all versions: error_rate > 0.05",
        "+ cloudwatch alarm cola-live-service-p95-ms: Requests to cola, all versions: p95_ms >= 300",
    ]
    existing = target.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert [one["AlarmActions"] for one in existing] == [[TOPIC], [TOPIC]]
    assert existing[1]["ExtendedStatistic"] == "p95"
    assert existing[1]["Period"] == 120
    assert existing[0]["Metrics"][0]["Expression"] == "IF(calls >= 20, errors / calls, 0)"
    assert changes(provider, "cola", desired) == []
    silent = function(target, tmp_path, OPTIONS.replace("0.05", "0.1").replace(f'"{TOPIC}"', "")).spec
    assert converge(provider, "cola", desired_alarms(silent.alarms()[:1])) == [
        "~ cloudwatch alarm cola-live-service-error-rate AlarmDescription: Requests to cola, all versions: error_rate > 0.05"
        " -> Requests to cola, all versions: error_rate > 0.1",
        "~ cloudwatch alarm cola-live-service-error-rate Threshold: 0.05 -> 0.1",
        f"~ cloudwatch alarm cola-live-service-error-rate AlarmActions: [{TOPIC}] -> none",
        f"~ cloudwatch alarm cola-live-service-error-rate OKActions: [{TOPIC}] -> none",
        "- cloudwatch alarm cola-live-service-p95-ms",
    ]
    assert changes(provider, "cola", desired_alarms(silent.alarms()[:1])) == []
    assert converge(provider, "cola", None) == ["- cloudwatch alarm cola-live-service-error-rate"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ('error_rate: "> 0.05", min_requests: 1', "errors / calls"),
        ('error_rate: "> 0.05", min_requests: 300', "IF(calls >= 300, errors / calls, 0)"),
        ('throttle_rate: "> 0.05"', "IF(calls + throttles >= 20, throttles / (calls + throttles), 0)"),
    ],
)
def test_a_rate_of_few_requests_raises_no_alarm(target: AwsTarget, tmp_path: Path, options: str, expected: str) -> None:
    [alarm] = function(target, tmp_path, f"{{alarms: {{{options}}}}}").spec.alarms()
    assert alarm.rate is not None
    assert alarm.rate.expression == expected


def test_tags_follow_the_project(target: AwsTarget, tmp_path: Path) -> None:
    provider = MetricAlarmProvider(target, "live", "cola")
    [alarm, _] = function(target, tmp_path, OPTIONS).spec.alarms()
    converge(provider, "cola", desired_alarms([alarm]))
    moved = desired_alarms([replace(alarm, tags={**alarm.tags, "mlspec:source": "example.org/cola"})])
    assert converge(provider, "cola", moved) == [f"~ cloudwatch alarm {alarm.name} mlspec:source: example.org/cola"]
    assert changes(provider, "cola", moved) == []


def test_a_resource_of_another_project_is_refused_and_kept(target: AwsTarget, tmp_path: Path) -> None:
    provider = MetricAlarmProvider(target, "live", "cola")
    [alarm, _] = function(target, tmp_path, OPTIONS).spec.alarms()
    converge(provider, "cola", desired_alarms([replace(alarm, tags={"mlspec:project": "other"})]))
    with pytest.raises(StageError, match="belongs to the project other"):
        changes(provider, "cola", desired_alarms([alarm]))
    assert changes(provider, "cola", None) == []


def test_a_rate_evaluates_two_metrics(target: AwsTarget, tmp_path: Path) -> None:
    alarms = function(target, tmp_path, OPTIONS).spec.alarms()
    shown = {one.measure: len(one.rate.metrics) if one.rate else 1 for one in alarms}
    assert {measure: evaluated_metrics(measure) for measure in shown} == shown == {"error_rate": 2, "p95_ms": 1}
