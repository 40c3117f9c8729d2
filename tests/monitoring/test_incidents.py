from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mlspec.monitoring.incidents import INCIDENTS, Incident, IncidentReport, prometheus_tests, replay
from mlspec.monitoring.queries.alerts import Alert, alerts
from mlspec.monitoring.queries.query import Grouping, ModelShape
from mlspec.sections.monitor_alerts import Alerts
from tests.conftest import missing
from tests.parts.targets import PACKAGE, write

SHAPE = ModelShape("toy", "classification", (("age", "number"), ("town", "category"), ("text", "text")), ("no", "yes"))
OPTIONS = Alerts(
    error_rate="> 0.02", refused_rate="> 0.1", timeout_rate="> 0.1", throttled_rate="> 0.1", p95_ms="> 300",
    unsure_rate="> 0.3", missing_rate="> 0.1", unseen_rate="> 0.1", silence="1h",
)  # fmt: skip
ALERTS = alerts(OPTIONS, SHAPE)


def fired(report: IncidentReport, incident: str) -> dict[str, float]:
    (one,) = [each for each in report.replays if each.incident.name == incident]
    return {result.alert: result.minutes for result in one.fired}


TOO_FEW = (
    "it needs 50 requests in 15 minutes, and about 15 arrive; lower monitor.alerts.min_requests, or set a longer window"
)


def test_every_alert_fires_on_its_incident_and_none_before() -> None:
    report = replay(ALERTS, SHAPE, per_minute=60)
    assert report.passed, (report.silent, report.always)
    assert fired(report, "outage") == {"error-rate": 5}
    assert set(fired(report, "timeouts")) == {"error-rate", "timeout-rate"}
    assert set(fired(report, "overload")) == {"throttled-rate", "error-rate"}
    assert fired(report, "silence") == {"silence": 60}
    assert fired(report, "slow") == {"latency": 5}
    assert set(fired(report, "drift")) == {"unsure", "unseen-rate"}
    assert fired(report, "label-flip") == {}
    assert set(fired(report, "schema-change")) == {"refused-rate", "missing-rate"}
    assert fired(report, "bad-canary") == {"error-rate": 10}
    (outage,) = [each for each in report.replays if each.incident.name == "outage"]
    assert outage.fired[0].rows == 300


def test_an_alert_that_this_traffic_cannot_fire_is_an_error() -> None:
    report = replay(ALERTS, SHAPE, per_minute=1)
    assert not report.passed
    (error,) = [one for one in report.silent if one.alert == "error-rate"]
    assert error.reason == TOO_FEW
    assert "silence" not in {one.alert for one in report.silent}


def test_an_alert_that_healthy_traffic_fires_is_an_error() -> None:
    (error, *_) = ALERTS
    always = error._replace(sign=">=", limit=0)
    assert replay([always], SHAPE, per_minute=60).always == ("error-rate",)


def test_a_bad_canary_is_found_only_by_alerts_that_judge_each_version_by_itself() -> None:
    together = [alert._replace(by=(Grouping.COLUMN,) if Grouping.COLUMN in alert.by else ()) for alert in ALERTS]
    assert fired(replay(together, SHAPE, per_minute=60), "bad-canary") == {}
    assert fired(replay(together, SHAPE, per_minute=60), "outage")["error-rate"] == 5


def test_a_bad_canary_with_too_little_traffic_says_so() -> None:
    report = replay(ALERTS, SHAPE, per_minute=10)
    (canary,) = [each for each in report.replays if each.incident.canary]
    assert (canary.fired, report.passed) == ((), True)
    assert canary.reason == f"error-rate does not fire for the new version: {TOO_FEW}"


@pytest.mark.parametrize("per_minute", [0.5, 4, 1_000_000])
def test_traffic_is_scaled(per_minute: float) -> None:
    report = replay(ALERTS, SHAPE, per_minute)
    assert fired(report, "silence") == {"silence": 60}
    assert ("error-rate" in fired(report, "outage")) == (per_minute > 1)


class FlipDetector:
    """A stand-in for a detector of quality."""

    name = "quality"

    def rows_until_alarm(self, incident: Incident) -> int | None:
        return 120 if incident.flipped else None

    def why_silent(self) -> str:
        return ""


def test_a_detector_is_replayed_beside_the_alerts() -> None:
    report = replay((), SHAPE, 60, [FlipDetector()])
    assert fired(report, "label-flip") == {"quality": 2}
    assert report.passed
    nothing: tuple[Alert, ...] = ()
    assert [each.fired for each in replay(nothing, SHAPE, 60).replays] == [()] * len(INCIDENTS)


def test_the_rules_of_prometheus_are_tested(tmp_path: Path) -> None:
    program = shutil.which("promtool")
    if program is None:
        missing("promtool (Debian package prometheus)")
    write(tmp_path, PACKAGE + "monitor: {prometheus: {}}\n")
    folder = tmp_path / "prometheus"
    assert prometheus_tests(folder, program).passed
    rules = folder / "rules.yml"
    rules.write_text(rules.read_text().replace("> 0.05", "> 0.5"))
    broken = prometheus_tests(folder, program)
    assert not broken.passed
    assert "ModelErrorRate" in broken.output
