"""The quality of each slice of a version against that of the same slice on the test split: detectors with a common
budget of false alarms."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from mlspec.job import write_text
from mlspec.monitoring.duckdb_session import quoted_name
from mlspec.monitoring.panel_data import RunQuery, ViewedRange
from mlspec.monitoring.quality.risk_alarm import LEVEL, Risk, RiskMonitor
from mlspec.monitoring.quality_state import (
    MeasuredQuality,
    error_scale,
    loss_of,
    measured_quality,
    risk_budget,
)
from mlspec.monitoring.quality_views import quality_slices
from mlspec.monitoring.row_slices import definition, slice_errors
from mlspec.monitoring.watched_model import WatchedModel
from mlspec.render.formatting import share

_FILE: Final = "slice-quality.json"
_FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)


class SavedSlices(BaseModel):
    """The state file. `until` is the time up to which labels were taken, by when they were added."""

    model_config = ConfigDict(frozen=True)

    until: datetime = _FIRST
    references: Mapping[str, str] = {}
    """The digest of the reference of each version."""
    definitions: Mapping[str, str] = {}
    versions: Mapping[str, Mapping[str, Mapping[str, str]]] = {}
    """The detector of each version, slice and value, as JSON."""


@dataclass(frozen=True, slots=True)
class SliceQuality:
    """The quality of a slice of a version that is worse than on the test split by more than the tolerance."""

    version: str
    name: str
    value: str
    risk: Risk
    measured: MeasuredQuality | None
    """Of the predictions in the viewed range."""
    expected: float
    """On the test split: the accuracy, or the mean absolute error."""
    evidence: float
    threshold: float
    since: datetime
    condition: str
    """What the rows of the slice have in common, in SQL over `labelled p`."""

    @property
    def slice(self) -> str:
        """`town=Bonn`."""
        return f"{self.name}={self.value}"


Monitors = dict[str, dict[str, dict[str, RiskMonitor]]]


def look_at_slices(model: WatchedModel, run: RunQuery, viewed: ViewedRange) -> tuple[SliceQuality, ...]:
    """Take labels that are new since the last look, save the state, and return the slices that have become worse."""
    key, slices = quality_slices(model)
    expressions = {
        name: expression
        for name, how in slices.items()
        if (how.column or name) not in model.hashed and (expression := model.rows.expression(name, how))
    }
    if not expressions:
        return ()
    path = model.state / _FILE
    definitions = {name: definition(name, slices[name]) for name in expressions}
    saved = _restore(model, definitions)
    monitors: Monitors = {
        version: {
            name: {value: RiskMonitor.from_json(json.loads(text)) for value, text in values.items()}
            for name, values in named.items()
        }
        for version, named in saved.versions.items()
    }
    for version, named in monitors.items():  # the budget of the spec may be another one
        for values in named.values():
            for monitor in values.values():
                monitor.budget_rows = _budget_rows(model, version)
    with slice_errors(key, lambda text: run(f"SELECT {text} FROM predictions p"), expressions):
        until = _take(model, run, monitors, expressions, definitions, saved.until)
    document = SavedSlices(
        until=until,
        references=model.referenced_models,
        definitions=definitions,
        versions={
            version: {
                name: {value: json.dumps(each.to_json()) for value, each in values.items()}
                for name, values in named.items()
            }
            for version, named in monitors.items()
        },
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, document.model_dump_json() + "\n")
    return tuple(_worse(model, run, viewed, monitors, expressions))


def new_slice_monitor(model: WatchedModel, version: str, name: str, value: str) -> RiskMonitor | None:
    """A detector of a slice; None where the test split has too few of its rows.

    The slices have half of the budget. It is divided among the declared divisions: the slices of one have no row in
    common, so that together they see each row once.
    """
    reference = model.reference_of(version)
    known = reference.slice_errors.get(name, {}).get(value)
    if known is None:
        return None
    scale = error_scale(model, version)
    errors = np.random.default_rng(0).permutation(np.array(known.points))
    slices = sum(map(len, reference.slice_errors.values()))
    tolerance, budget = model.options.quality.tolerance, _budget_rows(model, version)
    return RiskMonitor.of(np.minimum(errors / scale, 1.0), tolerance, budget, LEVEL / slices)


def _budget_rows(model: WatchedModel, version: str) -> float:
    """The labelled rows of a slice between two false alarms about it: its part of the half that the slices have."""
    reference = model.reference_of(version)
    return risk_budget(model, reference) * len(reference.slice_errors)


_RISES: Final = (0.1, 0.2, 0.4)
"""Rises of the loss that `monitor power` is asked about."""


def slice_power(model: WatchedModel) -> Iterator[str]:
    """For each slice that has a detector: the loss on the test split, and after how many of its labelled rows a rise of
    the loss raises an alarm."""
    for name, values in model.reference.slice_errors.items():
        for value in values:
            monitor = new_slice_monitor(model, "", name, value)
            if monitor is None:
                continue
            answers = []
            for rise in _RISES:
                rows = monitor.rows_until(min(monitor.source.mean + rise, 1.0))
                answers.append(f"+{share(rise)} " + (f"about {rows:,.0f} rows" if math.isfinite(rows) else "never"))
            loss = f"loss {share(monitor.source.mean)} on {monitor.source.rows:,} rows of the test split"
            yield f"{name}={value} ({loss}): {', '.join(answers)}"


def _restore(model: WatchedModel, definitions: Mapping[str, str]) -> SavedSlices:
    """The saved state, without versions of another reference and slices of another definition; all labels are taken
    again where one of them is new."""
    try:
        saved = SavedSlices.model_validate_json((model.state / _FILE).read_bytes())
        for named in saved.versions.values():
            for values in named.values():
                for text in values.values():
                    RiskMonitor.from_json(json.loads(text))
    except (OSError, ValidationError, ValueError):
        return SavedSlices()
    known = model.referenced_models
    same = all(known.get(version) == saved.references.get(version) for version in saved.versions)
    return saved if same and dict(saved.definitions) == definitions else SavedSlices()


def _take(
    model: WatchedModel,
    run: RunQuery,
    monitors: Monitors,
    expressions: Mapping[str, str],
    definitions: Mapping[str, str],
    since: datetime,
) -> datetime:
    answer = "label" if model.signature.labels else "value"
    selected = ", ".join(f"{text} AS {quoted_name(f'slice.{name}')}" for name, text in expressions.items())
    rows = run(
        f"SELECT p.version, p.{answer} AS answer, p.actual, p.added_at, {selected} FROM labelled p "
        "WHERE added_at > ? AND actual IS NOT NULL ORDER BY added_at, labelled_at, time, id",
        [since],
    ).to_pylist()
    scales = {version: error_scale(model, version) for version in {str(row["version"]) for row in rows}}
    losses: dict[tuple[str, str, str], list[float]] = {}
    for row in rows:
        version = str(row["version"])
        loss = loss_of(row["answer"], row["actual"], scales[version])
        for name in expressions:
            if (value := row[f"slice.{name}"]) is not None:
                losses.setdefault((version, name, str(value)), []).append(loss)
    for (version, name, value), values in losses.items():
        of = monitors.setdefault(version, {}).setdefault(name, {})
        same = model.reference_of(version).tested.get(name) == definitions[name]
        monitor = of.get(value) or (new_slice_monitor(model, version, name, value) if same else None)
        if monitor is not None:
            monitor.update(np.array(values))
            of[value] = monitor
    return max((row["added_at"] for row in rows), default=since)


def _worse(
    model: WatchedModel, run: RunQuery, viewed: ViewedRange, monitors: Monitors, expressions: Mapping[str, str]
) -> Iterator[SliceQuality]:
    for version, named in sorted(monitors.items()):
        for name, values in named.items():
            for value, monitor in sorted(values.items()):
                if monitor.risk().state != "harmful" or name not in expressions:
                    continue
                rows = _rows(model, run, version, expressions[name], value)
                losses = np.array([loss for _, loss, _ in rows])
                grid = model.reference_of(version).slice_errors[name][value]
                labels = bool(model.signature.labels)
                yield SliceQuality(
                    version=version,
                    name=name,
                    value=value,
                    risk=monitor.risk(),
                    measured=_measured(
                        [e for time, _, e in rows if viewed.since <= time < viewed.until], labels=labels
                    ),
                    expected=1 - grid.mean if labels else grid.mean,
                    evidence=monitor.evidence,
                    threshold=monitor.budget_rows,
                    since=rows[monitor.start(losses)][0] if rows else viewed.until,
                    condition=expressions[name],
                )


def _rows(
    model: WatchedModel, run: RunQuery, version: str, expression: str, value: str
) -> list[tuple[datetime, float, float]]:
    """The time, the loss and the error of the labelled rows of a slice, in the order of time."""
    answer = "label" if model.signature.labels else "value"
    rows = run(
        f"SELECT p.time, p.{answer} AS answer, p.actual FROM labelled p WHERE p.version = ? AND {expression} = ? "
        "AND p.actual IS NOT NULL ORDER BY p.time, p.id",
        [version, value],
    ).to_pylist()
    scale = error_scale(model, version)
    losses = [loss_of(row["answer"], row["actual"], scale) for row in rows]
    return [(row["time"], loss, loss * scale) for row, loss in zip(rows, losses, strict=True)]


def _measured(errors: list[float], *, labels: bool) -> MeasuredQuality | None:
    if not errors:
        return None
    values = 1 - np.array(errors) if labels else np.array(errors)
    deviation = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return measured_quality(float(values.mean()), deviation, len(values), labels=labels)
