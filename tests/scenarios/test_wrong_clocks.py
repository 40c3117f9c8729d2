"""Clocks that are wrong: no prediction and no label is lost, and the report states what it sees."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import tzset

import pyarrow as pa
import pytest

from mlspec.monitoring.label_store import LabelStore
from mlspec.monitoring.monitor_state import MonitorState
from mlspec.monitoring.observation import Observation, Observer
from mlspec.monitoring.panel_data import ViewedRange
from mlspec.monitoring.quality_state import look_at_quality
from mlspec.monitoring.retention_clock import FILE, retention_time
from mlspec.report.monitor_page import monitor_page
from tests.monitoring.log_lines import DAY
from tests.monitoring.watched import Service

YEARS = timedelta(days=1500)


def observed(service: Service, now: datetime) -> Observation:
    return Observer(service.model, now, ViewedRange(now - timedelta(hours=6), now)).observe()


def requests(observation: Observation) -> str:
    return observation.state.signals[0].detail.partition(" requests")[0]


def test_predictions_of_a_server_whose_clock_is_ahead_are_reported_and_not_lost(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.answer(300)
    now = service.now
    service.start += timedelta(hours=2)
    service.answer(200)
    ahead = observed(service, now + timedelta(seconds=10))
    (note,) = [note for note in ahead.state.notes if "clock" in note]
    assert note.startswith("200 predictions have a time after now, up to 2026-11-27 02:08 UTC")
    assert requests(ahead) == "300"
    later = observed(service, now + timedelta(hours=3))
    assert [note for note in later.state.notes if "clock" in note] == []
    assert requests(later) == "500"
    assert "arrived after later ones" not in " ".join(later.state.notes)


def test_a_look_while_the_clock_of_this_machine_is_ahead_loses_nothing(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.answer(300)
    observed(service, service.now + YEARS)
    service.answer(300)
    service.answer(500, age=60)
    back = observed(service, service.now + timedelta(seconds=10))
    assert service.model.store.query("SELECT COUNT(*) FROM predictions").column(0)[0].as_py() == 1100
    assert ["age moved" in alarm.title for alarm in back.state.alarms] == [True]
    assert "arrived after later ones" not in " ".join(back.state.notes)


def test_a_clock_that_jumps_forward_deletes_nothing_until_it_has_lasted_for_a_day(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.answer(50)
    for day in range(3):
        observed(service, service.now + timedelta(days=day))
    jumped = service.now + YEARS
    notes = [" ".join(observed(service, jumped + timedelta(hours=hours)).state.notes) for hours in (0, 1, 23)]
    assert all("is 1,496 days after the runs" in note and "deleted as of 2026-12-01" in note for note in notes)
    assert not service.model.store.empty
    observed(service, jumped + timedelta(hours=24))
    assert service.model.store.empty


@pytest.mark.parametrize("every", [timedelta(hours=1), timedelta(days=1)])
def test_with_frequent_runs_predictions_are_deleted_by_the_clock(tmp_path: Path, every: timedelta) -> None:
    times = [retention_time(tmp_path, DAY + number * every) for number in range(80)]
    assert times[0] is None
    assert all(time == DAY + number * every for number, time in enumerate(times) if number * every >= timedelta(days=2))


def test_with_rare_runs_predictions_are_deleted_later(tmp_path: Path) -> None:
    times = [retention_time(tmp_path, DAY + number * timedelta(days=7)) for number in range(4)]
    assert times[1:] == [DAY + timedelta(days=7 * number + 2) for number in range(3)]


def test_a_clock_that_is_set_back_or_a_damaged_file_starts_again(tmp_path: Path) -> None:
    for day in range(5):
        retention_time(tmp_path, DAY + YEARS + timedelta(days=day))
    assert retention_time(tmp_path, DAY) == DAY
    (tmp_path / FILE).write_text("torn")
    assert retention_time(tmp_path, DAY) is None


def test_labels_count_once_whatever_their_times_and_the_clock(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.answer(40)
    model, labels = service.model, LabelStore(service.model.store)
    viewed = ViewedRange(DAY, DAY + timedelta(days=1))
    times = [DAY + YEARS, datetime(2020, 1, 1, tzinfo=UTC), None]
    rows = []
    for number, (now, time) in enumerate(zip([DAY + YEARS, DAY, DAY], times, strict=True)):
        ids = [f"r{number * 10 + place}" for place in range(1, 11)]
        given = pa.table({"request_id": ids, "label": ["yes"] * 10, "time": pa.array([time] * 10, pa.timestamp("us"))})
        labels.add(given, now)
        (version,) = look_at_quality(model, model.store.query, viewed).versions
        rows.append(version.risk.rows)
    assert rows == [10, 20, 30]


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose local day is that of UTC for half of the time only."""
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    tzset()
    yield
    monkeypatch.undo()
    tzset()


def described(folder: Path) -> MonitorState:
    """The state of a service with predictions of two days in UTC."""
    service = Service(folder, start=DAY - timedelta(minutes=10))
    service.answer(500)
    service.answer(500, age=60)
    service.fail(30)
    LabelStore(service.model.store).add(pa.Table.from_pylist(service.labels(1, 300, right=0.9)), service.now)
    return service.observe().state


@pytest.fixture(scope="module")
def in_utc(tmp_path_factory: pytest.TempPathFactory) -> MonitorState:
    return described(tmp_path_factory.mktemp("utc"))


@pytest.mark.usefixtures("zone")
def test_the_time_zone_of_the_machine_changes_nothing(in_utc: MonitorState, tmp_path: Path) -> None:
    assert datetime.now().astimezone().utcoffset() == timedelta(hours=14)
    state = described(tmp_path)
    assert [alarm.title for alarm in state.alarms] == [alarm.title for alarm in in_utc.alarms] != []
    assert state == in_utc
    assert monitor_page(state) == monitor_page(in_utc)
