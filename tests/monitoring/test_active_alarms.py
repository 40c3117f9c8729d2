"""Each alarm has evidence, an effect with interval, direction, since when, column, version, and rows that show it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.monitoring.incidents_store import alarm, incidents_state
from tests.monitoring.log_lines import DAY, line, segment
from tests.monitoring.watched import Service


def test_an_alarm_of_drift_has_all_its_facts() -> None:
    moved = alarm("drift/moved/input.age/8")
    facts = moved.facts
    assert (facts.column, facts.version, facts.slice, facts.direction, facts.unit) == ("age", "8", "", "up", "sd")
    assert facts.low is not None
    assert facts.high is not None
    assert facts.size is not None
    assert 0.3 < facts.low < facts.size < facts.high < 1.3
    assert facts.evidence is not None
    assert facts.threshold is not None
    assert facts.evidence >= facts.threshold / 8
    assert facts.rows is not None
    assert facts.rows > 400
    assert facts.basis.startswith("measured on the ")
    assert abs(moved.since - (DAY + timedelta(seconds=1100))) < timedelta(seconds=60)
    assert len(moved.examples) == 20
    assert [name for name, _ in moved.examples[0]][:2] == ["time", "age"]
    assert "mlspec rollback" in moved.help
    for words in ("evidence", "an alarm needs", "The size is measured on the", "more rows without new evidence."):
        assert words in moved.text


def test_an_alarm_of_traffic_has_an_interval_and_the_requests() -> None:
    errors = alarm("error-rate/8")
    facts = errors.facts
    assert (facts.version, facts.unit, facts.direction, facts.expected) == ("8", "fraction", "up", 0.05)
    assert facts.low is not None
    assert facts.high is not None
    assert facts.size is not None
    assert 0.05 < facts.low < facts.size < facts.high < 0.2
    assert len(errors.examples) == 20
    assert {dict(row)["status"] for row in errors.examples} == {"500"}
    assert {dict(row)["version"] for row in errors.examples} == {"8"}
    assert errors.help


def test_an_alarm_of_quality_is_dated_and_shows_wrong_predictions() -> None:
    fell = alarm("quality/8")
    facts = fell.facts
    assert (facts.version, facts.direction, facts.expected) == ("8", "down", 0.8)
    assert facts.low is not None
    assert facts.high is not None
    assert facts.low < 0.4 < facts.high
    assert facts.evidence is not None
    assert facts.threshold is not None
    assert facts.evidence > 1
    assert DAY + timedelta(seconds=1100) <= fell.since < DAY + timedelta(seconds=1200)
    assert len(fell.examples) == 20
    assert all(dict(row)["actual label"] != dict(row)["predicted label"] for row in fell.examples)


def test_the_next_decision_is_shown_for_each_version() -> None:
    output = {each.version: each for each in incidents_state().diagnoses}
    assert (output["7"].title, output["7"].help) == ("moved, not harmful", "")
    assert output["8"].title == "moved and harmful"
    assert output["8"].sentences[0] == "moved: age"
    assert "allowed is 29.9%" in output["8"].sentences[1]
    assert "mlspec rollback" in output["8"].help


def test_alarms_of_latency_and_silence_have_intervals(tmp_path: Path) -> None:
    alerts = {"p95_ms": "> 50", "min_requests": 20, "silence": "10m"}
    service = Service(tmp_path, alerts=alerts)
    segment(tmp_path, [line(number, latency_ms=float(number)) for number in range(1, 201)])
    service.count = 200
    (slow,) = (each for each in service.observe().state.alarms if each.group == "service")
    assert slow.facts.size == 190
    assert (slow.facts.low, slow.facts.high, slow.facts.unit) == (184, 197, "milliseconds")
    assert "(184 to 197)" in slow.text
    service.count = 4000
    (silent,) = (each for each in service.observe().state.alarms if each.group == "service")
    assert silent.facts.size == silent.facts.low == 0
    assert silent.facts.high is not None
    assert 3.6 < silent.facts.high < 3.7
