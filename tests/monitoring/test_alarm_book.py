"""The memory of alarms between two runs, and the events that follow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlspec.monitoring.alarm_book import AlarmChanges, remember
from mlspec.monitoring.monitor_state import ActiveAlarm

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def run(folder: Path, hour: int, *ids: str) -> AlarmChanges:
    """A run at that hour in which these alarms fire."""
    now = NOW + timedelta(hours=hour)
    return remember(folder / "alarms.json", "cola", [ActiveAlarm(id, "moved", id, "text", now) for id in ids], now)


def keys(changes: AlarmChanges) -> list[str]:
    return [event.key for event in changes.events]


def test_an_alarm_keeps_its_time_and_its_event_while_it_fires(tmp_path: Path) -> None:
    first, second = run(tmp_path, 0, "age"), run(tmp_path, 1, "age", "town")
    assert [alarm.since for alarm in second.alarms] == [NOW, NOW + timedelta(hours=1)]
    assert keys(first) == keys(second)[:1]
    assert len(keys(second)) == 2


def test_a_cleared_alarm_is_an_event_of_this_and_the_next_run(tmp_path: Path) -> None:
    """The next run repeats it for a channel that was down; a Notifier sends it once."""
    began = keys(run(tmp_path, 0, "age"))[0].removesuffix(":firing")
    assert keys(run(tmp_path, 1)) == keys(run(tmp_path, 2)) == [f"{began}:cleared"]
    assert keys(run(tmp_path, 3)) == []


def test_an_alarm_that_fires_again_has_another_event(tmp_path: Path) -> None:
    first = keys(run(tmp_path, 0, "age"))
    run(tmp_path, 1)
    again = keys(run(tmp_path, 2, "age"))
    assert first[0] not in again
    assert [key.rpartition(":")[2] for key in again] == ["firing", "cleared"]


def test_a_damaged_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "alarms.json").write_text("{", encoding="utf-8")
    assert len(run(tmp_path, 0, "age").alarms) == 1
    assert keys(run(tmp_path, 1)) != []


def test_a_run_that_does_not_notify_takes_no_event_from_the_one_that_does(tmp_path: Path) -> None:
    run(tmp_path, 0, "age")
    for hour in (1, 2):
        now = NOW + timedelta(hours=hour)
        silent = remember(tmp_path / "alarms.json", "cola", [], now, store=False)
        assert [event.state for event in silent.events] == ["cleared"]
    assert [key.rpartition(":")[2] for key in keys(run(tmp_path, 3))] == ["cleared"]
