"""The drift monitor of a model over several runs of `mlspec monitor`: each row is taken once.

Each run takes the rows after those of the last one in order of time, and then those that arrived with an earlier time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, ValidationError

from mlspec.job import write_text
from mlspec.monitoring.baseline.reference import Hashes, Reference
from mlspec.monitoring.drift.budget import drift_budget
from mlspec.monitoring.drift.column_reference import ColumnReference, input_columns, reference_columns
from mlspec.monitoring.drift.drift_alarm import Alarm, RowGroup
from mlspec.monitoring.drift.drift_monitor import ColumnScore, DriftMonitor
from mlspec.monitoring.drift.live_rows import live_rows, vocabularies
from mlspec.monitoring.drift.streams import Streams, text_samples
from mlspec.monitoring.duckdb_session import one_database
from mlspec.monitoring.row_slices import DRIFT, definition, slice_errors
from mlspec.monitoring.taken_rows import LAST_ROWS, WINDOW, TakenRows
from mlspec.monitoring.watched_model import WatchedModel
from mlspec.sections.monitor_drift import Drift

SETTLE: Final = timedelta(seconds=5)
"""Rows this young may still be in the memory of a server, and later ones are compared only after them."""
PULL_SETTLE: Final = timedelta(minutes=15)
"""The same for predictions that are pulled from a log group, which may deliver them late."""
_FILE: Final = "drift.json"
_FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)


class SavedDrift(BaseModel):
    """The state file. `until` is the time up to which all rows were taken; `stored` were in the store then, by day.

    `reference` and `columns` are those of the exported model, `references` the digests of those of all versions. Of
    `late` rows the time is before a look that took place before they arrived; `behind` of them were taken.
    """

    model_config = ConfigDict(frozen=True)

    reference: str
    columns: tuple[str, ...]
    until: datetime
    monitor: str
    references: Mapping[str, str] = {}
    stored: dict[date, int] | None = None
    late: int = 0
    behind: int = 0
    taken: TakenRows | None = None
    """None in a file of an earlier version."""
    slices: Mapping[str, str] = {}
    """The definition of each slice: with another one, its detector starts again."""
    compared: datetime = _FIRST
    """The latest `until` of all looks; `until` is earlier once the clock of this machine was set back."""


@dataclass(frozen=True, slots=True)
class DriftLook:
    """The alarms after all rows up to now, and the guarantee in words."""

    alarms: tuple[Alarm, ...]
    rows: int
    """Rows taken by this look."""
    budget: str
    threshold: float
    """The evidence at which a column raises an alarm."""
    note: str = ""
    scores: tuple[ColumnScore, ...] = ()
    """The evidence of every column of every version and slice."""
    behind: int = 0
    """Rows that arrived after later ones were compared, and were compared then."""
    skipped: int = 0
    """Such rows that are in the store, but not in the evidence: it is not known whether they were compared."""
    until: datetime | None = None
    """The time up to which rows were compared; None: all were."""


@one_database()
def look_for_drift(model: WatchedModel, options: Drift, now: datetime) -> DriftLook:
    """Take the rows since the last look into the detectors, and save them. How often this is called changes nothing."""
    path = model.state / _FILE
    budget, monitor = drift_budget(options), new_drift_monitor(model, options)
    columns = monitor.streams[""].columns
    last = _restore(path, model, columns, monitor)
    settle = PULL_SETTLE if any(model.state.glob("pull*.json")) else SETTLE
    newest = _newest(model, now - settle)
    since = min(last.until, newest or now - settle)
    until = newest or since
    last = last._replace(until=since)
    stored = _stored_rows(model, last.until, until)
    late = last.late_rows(stored)
    rows = _take_new(model, monitor, last, until)
    behind = 0
    if late and last.taken is not None:
        behind = _take(model, monitor, until - WINDOW, last.until, last.taken.others())
    state = SavedDrift(
        reference=model.reference.digest,
        columns=tuple(column.name for column in columns),
        until=until,
        monitor=monitor.to_json(),
        references=model.referenced_models,
        stored={day: rows.now for day, rows in stored.items()},
        late=last.late + late,
        behind=last.behind + behind,
        taken=_taken(model, last, until, late=bool(late)),
        slices=_definitions(model),
        compared=max(until, last.compared),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, state.model_dump_json() + "\n")
    return DriftLook(
        alarms=tuple(monitor.alarms()),
        rows=rows + behind,
        budget=budget.words(),
        threshold=monitor.threshold(monitor.streams[""]),
        note=last.note or _note(model),
        scores=tuple(monitor.scores()),
        behind=state.behind,
        skipped=max(0, state.late - state.behind),
        until=until,
    )


def _taken(model: WatchedModel, last: _LastLook, until: datetime, *, late: bool) -> TakenRows:
    """What this look has taken; without a row of an earlier time only new rows are read."""
    forget = until - WINDOW
    since = max(last.until, forget) if last.taken is not None and not late else forget
    return (last.taken or TakenRows()).and_then(model.store.query(LAST_ROWS, [since, until]), forget)


def _definitions(model: WatchedModel) -> dict[str, str]:
    return {name: definition(name, how) for name, how in model.drift_slices.items()}


def _note(model: WatchedModel) -> str:
    if hidden := model.drift_slices.keys() - _slice_expressions(model):
        names = ", ".join(sorted(hidden))
        return f"slices that are not compared, because the values of their input are not logged: {names}"
    if set(_definitions(model).values()) <= set(model.reference.sliced):
        return ""
    return (
        "slices are not compared: the reference was computed without them; run `mlspec monitor` where the training "
        "data is, then copy reference-*.json again"
    )


def new_drift_monitor(model: WatchedModel, options: Drift) -> DriftMonitor:
    """Detectors that have seen no row: of each version against the data of its own training."""
    streams = {"": _streams(model, options, model.reference)}
    for version in model.referenced_models:
        own = model.reference_of(version)
        streams[version] = streams[""] if own is model.reference else _streams(model, options, own)
    slices = {version: slice_streams(model, options, model.reference_of(version)) for version in streams if version}
    slices[""] = slice_streams(model, options, model.reference)
    return DriftMonitor(streams, drift_budget(options), 1 + len(model.drift_slices), slices)


def slice_streams(model: WatchedModel, options: Drift, reference: Reference) -> dict[str, Streams]:
    """The streams of each slice, from its rows of the training data: the inputs whose values are logged."""
    hidden = model.hashed | model.redacted
    names = [n for n, how in model.drift_slices.items() if definition(n, how) in reference.sliced]
    result: dict[str, Streams] = {}
    for slice, columns in reference.slices.items():
        known = {n: c for n, c in columns.items() if n not in hidden and (not options.columns or n in options.columns)}
        compared = input_columns(known)
        if compared and any(slice.startswith(f"{name}=") for name in names):
            result[slice] = Streams(compared, options.tolerance)
    return result


def compared_columns(
    model: WatchedModel, options: Drift, reference: Reference | None = None
) -> tuple[ColumnReference, ...]:
    """The columns that can be compared: a hash or a value that is not logged has no reference."""
    hidden = {f"{kind}.{name}" for name in model.hashed | model.redacted for kind in ("input", "unseen", "domain")}
    columns = reference_columns(reference or model.reference, options.columns)
    return tuple(c for c in columns if c.rows and c.name not in hidden)


def _streams(model: WatchedModel, options: Drift, reference: Reference) -> Streams:
    columns = compared_columns(model, options, reference)
    return Streams(columns, options.tolerance, text_samples(reference))


def _newest(model: WatchedModel, before: datetime) -> datetime | None:
    """The time after the newest row before that time; None without rows.

    The clock of this machine decides only which rows have settled: one that was ahead for a while skips no row.
    """
    table = model.store.query("SELECT MAX(time) FROM predictions WHERE time < ?", [before])
    newest: datetime | None = table.column(0)[0].as_py()
    return None if newest is None else newest + timedelta(microseconds=1)


class _LastLook(NamedTuple):
    """What the last look left: the time up to which it took rows, a note if it cannot be resumed, and its counts."""

    until: datetime
    note: str = ""
    stored: Mapping[date, int] | None = None
    """Rows in the store by day; None if they were not counted."""
    late: int = 0
    behind: int = 0
    taken: TakenRows | None = None
    compared: datetime = _FIRST

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


def _take_new(model: WatchedModel, monitor: DriftMonitor, last: _LastLook, until: datetime) -> int:
    """Take the rows since the last look. Up to the latest time of an earlier one, those whose id is not known yet."""
    known = min(last.compared, until) if last.taken is not None else last.until
    again = _take(model, monitor, last.until, known, last.taken.others()) if last.taken is not None else 0
    return again + _take(model, monitor, max(known, last.until), until)


def _stored_rows(model: WatchedModel, last: datetime, until: datetime) -> dict[date, _DayRows]:
    """The successful predictions in the store of the last 30 days, by day in UTC."""
    table = model.store.query(
        "SELECT CAST(time AS DATE), COUNT(*) FILTER (WHERE time < ?), COUNT(*) FROM predictions "
        "WHERE outcome = 'success' AND time >= ? AND time < ? GROUP BY 1",
        [last, until - WINDOW, until],
    )
    return {
        day: _DayRows(before, now) for day, before, now in zip(*(c.to_pylist() for c in table.columns), strict=True)
    }


def _restore(path: Path, model: WatchedModel, columns: Sequence[ColumnReference], monitor: DriftMonitor) -> _LastLook:
    """Resume `monitor`."""
    try:
        saved = SavedDrift.model_validate_json(path.read_bytes())
        unchanged = saved.reference == model.reference.digest and saved.columns == tuple(c.name for c in columns)

        slices = _definitions(model)

        def keeps(group: RowGroup) -> bool:
            """Whether it is compared with what it was compared with before; a version without a reference of its own
            is compared with that of the exported model."""
            version, name = group.version, next((n for n in slices if group.slice.startswith(f"{n}=")), "")
            if slices.get(name, "") != saved.slices.get(name, name):
                return False
            digest = model.referenced_models.get(version)
            return unchanged if digest is None else saved.references.get(version, saved.reference) == digest

        monitor.restore(saved.monitor, keeps)
        compared = max(saved.compared, saved.until)
        return _LastLook(saved.until, "", saved.stored, saved.late, saved.behind, saved.taken, compared)
    except FileNotFoundError:
        return _LastLook(_FIRST)
    except (OSError, ValidationError, ValueError) as error:
        return _LastLook(
            _FIRST, f"{path} could not be read ({type(error).__name__}), so all stored rows were compared again"
        )


def _take(
    model: WatchedModel,
    monitor: DriftMonitor,
    since: datetime,
    until: datetime,
    where: str = "true",
) -> int:
    if since >= until:
        return 0
    types = model.store.columns.types
    slices = _slice_expressions(model)
    compared = dict.fromkeys(c.name for streams in monitor.streams.values() for c in streams.columns)
    needed = [name for column in compared for name in _stored(column) if name in types]
    names = list(dict.fromkeys(["id", "time", "version", "outcome", *needed]))
    count = 0
    computed = {f"slice.{name}": expression for name, expression in slices.items()}
    with slice_errors(DRIFT, lambda text: model.store.query(f"SELECT {text} FROM predictions p"), slices):
        for batch in model.store.rows(since, until, names, computed=computed, where=where):
            answered = batch.filter(pc.equal(batch["outcome"], "success"))
            for version in sorted(v for v in answered["version"].unique().to_pylist() if v is not None):
                part = live_rows(answered.filter(pc.equal(answered["version"], version)), _texts(model, version))
                count += len(part)
                monitor.update(RowGroup(version), part)
                for name in slices:
                    for value, piece in part.split(f"slice.{name}").items():
                        monitor.update(RowGroup(version, f"{name}={value}"), piece)
    return count


def _slice_expressions(model: WatchedModel) -> dict[str, str]:
    """The slices that can be compared, in SQL: hashes and values that are not logged have no counterpart in the
    training data."""
    result: dict[str, str] = {}
    for name, how in model.drift_slices.items():
        expression = None if (how.column or name) in model.hashed else model.rows.expression(name, how)
        if expression is not None:
            result[name] = expression
    return result


def _texts(model: WatchedModel, version: str) -> Mapping[str, Hashes]:
    """The vocabulary of each text input whose values are logged."""
    hidden = model.redacted | model.hashed
    return {name: known for name, known in vocabularies(model.reference_of(version)).items() if name not in hidden}


def _stored(column: str) -> tuple[str, ...]:
    """The column of the log from which a compared column is computed."""
    kind, _, name = column.partition(".")
    return (f"input.{name}",) if kind in ("unseen", "domain") else (column,)
