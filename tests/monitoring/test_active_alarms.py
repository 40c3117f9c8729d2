"""Each alarm has evidence, an effect with interval, direction, since when, column, version, and rows that show it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from mlspec.monitoring.observation import Observer
from mlspec.monitoring.panel_data import ViewedRange
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


ALERTS = {"error_rate": "> 0.05", "p95_ms": "> 500", "missing_rate": "> 0.5", "silence": "10m", "min_requests": 20}


def began(service: Service) -> dict[str, timedelta]:
    """Since when the alarms of the alerts fire, after the first prediction, as a run that stores none sees it."""
    now = service.now
    state = Observer(service.model, now, ViewedRange(now - timedelta(hours=6), now), notifies=False).observe().state
    return {alarm.id: alarm.since - service.start for alarm in state.alarms if alarm.group == "service"}


def test_an_outage_that_is_older_than_the_window_is_dated_by_its_first_request(tmp_path: Path) -> None:
    """50 minutes in which every request fails, an hour after another one, and a few by night are too few to judge."""
    service = Service(tmp_path, alerts=ALERTS)
    service.fail(1000)
    service.answer(3600)
    service.fail(600)
    service.count += 1800
    service.fail(5)
    service.count += 1800
    service.fail(3000)
    assert began(service) == {"error-rate/7": timedelta(seconds=4601)}
    service.fail(100)
    assert began(service) == {"error-rate/7": timedelta(seconds=4601)}, "it does not move with the window"


def test_the_stored_beginning_of_an_alarm_is_kept(tmp_path: Path) -> None:
    service = Service(tmp_path, alerts=ALERTS)
    service.answer(1000)
    service.fail(3000)
    (alarm,) = (each for each in service.observe().state.alarms if each.group == "service")
    assert alarm.since == DAY + timedelta(seconds=1001)
    book = tmp_path / "state" / "alarms.json"
    stored = (DAY + timedelta(seconds=2000)).isoformat().replace("+00:00", "Z")
    text = book.read_text(encoding="utf-8")
    book.write_text(text.replace(alarm.since.isoformat().replace("+00:00", "Z"), stored), encoding="utf-8")
    assert began(service) == {"error-rate/7": timedelta(seconds=2000)}


def test_a_slow_version_missing_values_and_silence_are_dated(tmp_path: Path) -> None:
    service = Service(tmp_path, alerts=ALERTS)
    service.count = 4000
    healthy = [line(number) for number in range(1, 2001)]
    empty = {"age": None, "town": "Bonn", "sentence": "x"}
    segment(tmp_path, [*healthy, *(line(n, latency_ms=900.0, inputs=empty) for n in range(2001, 4001))])
    times = began(service)
    assert times == dict.fromkeys(("latency/7", "missing-rate/7/age"), timedelta(seconds=2001))
    service.count = 9000
    assert began(service) == {"silence": timedelta(seconds=4000)}


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
