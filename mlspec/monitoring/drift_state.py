"""The drift monitor of a model over several runs of `mlspec monitor`: each row is taken once, ordered by time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from mlspec.job import write_text
from mlspec.monitoring.drift.budget import Budget
from mlspec.monitoring.drift.column_reference import ColumnReference, reference_columns
from mlspec.monitoring.drift.drift_alarm import Alarm, RowGroup
from mlspec.monitoring.drift.drift_monitor import DriftMonitor
from mlspec.monitoring.drift.live_rows import LiveRows, live_rows, vocabularies
from mlspec.monitoring.drift.streams import Streams
from mlspec.monitoring.watched_model import WatchedModel
from mlspec.sections.monitor_drift import DAY, Drift
from mlspec.spec.types import rate_parts

SETTLE: Final = timedelta(seconds=5)
"""Rows this young may still be in the memory of a server, and later ones are compared only after them."""
PULL_SETTLE: Final = timedelta(minutes=15)
"""The same for predictions that are pulled from a log group, which may deliver them late."""
_FILE: Final = "drift.json"
_FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LATE: Final = timedelta(days=30)
"""Age up to which rows that arrive late are counted."""


class SavedDrift(BaseModel):
    """The state file. `until` is the time up to which all rows were taken; `stored` were in the store then, by day.

    Of `late` rows the time is before a look that took place before they arrived.
    """

    model_config = ConfigDict(frozen=True)

    reference: str
    columns: tuple[str, ...]
    until: datetime
    monitor: str
    stored: dict[date, int] | None = None
    late: int = 0


@dataclass(frozen=True, slots=True)
class DriftLook:
    """The alarms after all rows up to now, and the guarantee in words."""

    alarms: tuple[Alarm, ...]
    rows: int
    """Rows taken by this look."""
    budget: str
    note: str = ""
    late: int = 0
    """Rows that arrived after a look at later ones: they are in the store, but not in the evidence."""


def look_for_drift(model: WatchedModel, options: Drift, now: datetime) -> DriftLook:
    """Take the rows since the last look into the detectors, and save them. How often this is called changes nothing."""
    path = model.state / _FILE
    columns = compared_columns(model, options)
    budget, monitor = drift_budget(options), new_drift_monitor(model, options)
    last = _restore(path, model, columns, monitor)
    settle = PULL_SETTLE if any(model.state.glob("pull*.json")) else SETTLE
    until = max(now - settle, last.until)
    stored = _stored_rows(model, last.until, until)
    late = last.late + last.late_rows(stored)
    rows = _take(model, options, columns, monitor, last.until, until)
    state = SavedDrift(
        reference=model.reference.digest,
        columns=tuple(column.name for column in columns),
        until=until,
        monitor=monitor.to_json(),
        stored={day: rows.now for day, rows in stored.items()},
        late=late,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, state.model_dump_json() + "\n")
    return DriftLook(tuple(monitor.alarms()), rows, budget.words(), last.note, late)


def drift_budget(options: Drift) -> Budget:
    """The budget of false alarms at the declared traffic."""
    alarms, seconds = rate_parts(options.false_alarms)
    return Budget.of(alarms, seconds / DAY, options.rows_per_day())


def new_drift_monitor(model: WatchedModel, options: Drift) -> DriftMonitor:
    """Detectors that have seen no row."""
    streams = Streams(compared_columns(model, options), options.tolerance)
    return DriftMonitor({"": streams}, drift_budget(options), 1 + len(options.slices))


def compared_columns(model: WatchedModel, options: Drift) -> tuple[ColumnReference, ...]:
    """The columns that can be compared: a hash or a value that is not logged has no reference."""
    hidden = {f"{kind}.{name}" for name in model.hashed | model.redacted for kind in ("input", "unseen")}
    return tuple(c for c in reference_columns(model.reference, options.columns) if c.rows and c.name not in hidden)


class _LastLook(NamedTuple):
    """What the last look left: the time up to which it took rows, a note if it cannot be resumed, and its counts."""

    until: datetime
    note: str = ""
    stored: Mapping[date, int] | None = None
    """Rows in the store by day; None if they were not counted."""
    late: int = 0

    def late_rows(self, stored: Mapping[date, _DayRows]) -> int:
        """The rows that arrived since, of the time before it."""
        known = self.stored
        if known is None:
            return 0
        return sum(max(0, rows.before - known.get(day, 0)) for day, rows in stored.items())


class _DayRows(NamedTuple):
    """Rows of a day that are in the store: those before the last look, and those before this one."""

    before: int
    now: int


def _stored_rows(model: WatchedModel, last: datetime, until: datetime) -> dict[date, _DayRows]:
    """The successful predictions in the store of the last 30 days, by day in UTC."""
    table = model.store.query(
        "SELECT CAST(time AS DATE), COUNT(*) FILTER (WHERE time < ?), COUNT(*) FROM predictions "
        "WHERE outcome = 'success' AND time >= ? AND time < ? GROUP BY 1",
        [last, until - _LATE, until],
    )
    return {
        day: _DayRows(before, now) for day, before, now in zip(*(c.to_pylist() for c in table.columns), strict=True)
    }


def _restore(path: Path, model: WatchedModel, columns: Sequence[ColumnReference], monitor: DriftMonitor) -> _LastLook:
    """Resume `monitor`."""
    try:
        saved = SavedDrift.model_validate_json(path.read_bytes())
        if saved.reference == model.reference.digest and saved.columns == tuple(c.name for c in columns):
            monitor.restore(saved.monitor)
            return _LastLook(saved.until, "", saved.stored, saved.late)
    except FileNotFoundError:
        return _LastLook(_FIRST)
    except (OSError, ValidationError, ValueError) as error:
        return _LastLook(
            _FIRST, f"{path} could not be read ({type(error).__name__}), so all stored rows were compared again"
        )
    # A new model: its reference is new, and earlier rows were answered by the old one.
    return _LastLook(saved.until)


def _take(
    model: WatchedModel,
    options: Drift,
    columns: Sequence[ColumnReference],
    monitor: DriftMonitor,
    since: datetime,
    until: datetime,
) -> int:
    if since >= until:
        return 0
    types = model.store.columns.types
    slices = [f"input.{name}" for name in options.slices]
    texts = {name: hashes for name, hashes in vocabularies(model.reference).items() if name not in model.redacted}
    needed = [name for column in columns if (name := _stored(column.name)) in types]
    names = list(dict.fromkeys(["id", "time", "version", "outcome", *needed, *slices]))
    count = 0
    for batch in model.store.rows(since, until, names):
        rows = live_rows(batch, texts)
        answered = [outcome == "success" for outcome in rows.categories["outcome"]]
        if not any(answered):
            continue
        for version, part in _where(rows, answered).split("version").items():
            count += len(part)
            monitor.update(RowGroup(version), part)
            for name in slices:
                for value, piece in part.split(name).items():
                    monitor.update(RowGroup(version, f"{name.removeprefix('input.')}={value}"), piece)
    return count


def _where(rows: LiveRows, chosen: Sequence[bool]) -> LiveRows:
    return rows.where(np.array(chosen, dtype=np.bool_))


def _stored(column: str) -> str:
    """The column of the log from which a compared column is computed."""
    return f"input.{column.removeprefix('unseen.')}" if column.startswith("unseen.") else column
