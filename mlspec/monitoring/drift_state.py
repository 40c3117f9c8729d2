"""The drift monitor of a model over several runs of `mlspec monitor`: each row is taken once, ordered by time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from mlspec.job import write_text
from mlspec.monitoring.drift.budget import Budget
from mlspec.monitoring.drift.column_reference import ColumnReference, input_columns, reference_columns
from mlspec.monitoring.drift.drift_alarm import Alarm, RowGroup
from mlspec.monitoring.drift.drift_monitor import DriftMonitor
from mlspec.monitoring.drift.live_rows import LiveRows, live_rows, vocabularies
from mlspec.monitoring.drift.streams import Streams, text_samples
from mlspec.monitoring.watched_model import WatchedModel
from mlspec.sections.monitor_drift import DAY, Drift
from mlspec.spec.types import rate_parts

SETTLE: Final = timedelta(seconds=5)
"""Rows this young may still be in the memory of a server, and later ones are compared only after them."""
PULL_SETTLE: Final = timedelta(minutes=15)
"""The same for predictions that are pulled from a log group, which may deliver them late."""
_FILE: Final = "drift.json"
_FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)


class SavedDrift(BaseModel):
    """The state file. `until` is the time up to which all rows were taken."""

    model_config = ConfigDict(frozen=True)

    reference: str
    columns: tuple[str, ...]
    until: datetime
    monitor: str


@dataclass(frozen=True, slots=True)
class DriftLook:
    """The alarms after all rows up to now, and the guarantee in words."""

    alarms: tuple[Alarm, ...]
    rows: int
    """Rows taken by this look."""
    budget: str
    evidence: Mapping[str, float]
    """By compared column."""
    threshold: float
    """The evidence at which a column raises an alarm."""
    note: str = ""


def look_for_drift(model: WatchedModel, options: Drift, now: datetime) -> DriftLook:
    """Take the rows since the last look into the detectors, and save them. How often this is called changes nothing."""
    path = model.state / _FILE
    columns = compared_columns(model, options)
    budget, monitor = drift_budget(options), new_drift_monitor(model, options)
    saved, note = _restore(path, model, columns, monitor)
    if not note and set(options.slices) - set(model.reference.sliced):
        note = (
            "slices are not compared: the reference was computed without them; run `mlspec monitor` where the training "
            "data is, then copy reference-*.json again"
        )
    settle = PULL_SETTLE if any(model.state.glob("pull*.json")) else SETTLE
    until = max(now - settle, saved)
    rows = _take(model, options, columns, monitor, saved, until)
    names = tuple(column.name for column in columns)
    state = SavedDrift(reference=model.reference.digest, columns=names, until=until, monitor=monitor.to_json())
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, state.model_dump_json() + "\n")
    threshold = monitor.threshold(monitor.streams[""])
    return DriftLook(tuple(monitor.alarms()), rows, budget.words(), monitor.evidence(), threshold, note)


def drift_budget(options: Drift) -> Budget:
    """The budget of false alarms at the declared traffic."""
    alarms, seconds = rate_parts(options.false_alarms)
    return Budget.of(alarms, seconds / DAY, options.rows_per_day())


def new_drift_monitor(model: WatchedModel, options: Drift) -> DriftMonitor:
    """Detectors that have seen no row."""
    samples = text_samples(model.reference)
    streams = Streams(compared_columns(model, options), options.tolerance, samples)
    return DriftMonitor({"": streams}, drift_budget(options), 1 + len(options.slices), slice_streams(model, options))


def slice_streams(model: WatchedModel, options: Drift) -> dict[str, Streams]:
    """The streams of each slice, from its rows of the training data: the inputs whose values are logged."""
    hidden = model.hashed | model.redacted
    result: dict[str, Streams] = {}
    for slice, columns in model.reference.slices.items():
        known = {n: c for n, c in columns.items() if n not in hidden and (not options.columns or n in options.columns)}
        compared = input_columns(known)
        if compared and any(slice.startswith(f"{name}=") for name in options.slices):
            result[slice] = Streams(compared, options.tolerance)
    return result


def compared_columns(model: WatchedModel, options: Drift) -> tuple[ColumnReference, ...]:
    """The columns that can be compared: a hash or a value that is not logged has no reference."""
    kinds = ("input", "unseen", "domain")
    hidden = {f"{kind}.{name}" for name in model.hashed | model.redacted for kind in kinds}
    return tuple(c for c in reference_columns(model.reference, options.columns) if c.rows and c.name not in hidden)


def _restore(
    path: Path, model: WatchedModel, columns: Sequence[ColumnReference], monitor: DriftMonitor
) -> tuple[datetime, str]:
    """Resume `monitor`; the time of the last look, and a note if it could not be resumed."""
    try:
        saved = SavedDrift.model_validate_json(path.read_bytes())
        if saved.reference == model.reference.digest and saved.columns == tuple(c.name for c in columns):
            monitor.restore(saved.monitor)
            return saved.until, ""
    except FileNotFoundError:
        return _FIRST, ""
    except (OSError, ValidationError, ValueError) as error:
        return _FIRST, f"{path} could not be read ({type(error).__name__}), so all stored rows were compared again"
    # A new model: its reference is new, and earlier rows were answered by the old one.
    return saved.until, ""


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
