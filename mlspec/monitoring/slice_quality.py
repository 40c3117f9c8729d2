"""The quality of each slice of a version against that of the same slice on the test split, or of its own first rows:
detectors with a common budget of false alarms."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from mlspec.job import write_text
from mlspec.monitoring.duckdb_session import quoted_name
from mlspec.monitoring.monitor_state import SliceMeasure
from mlspec.monitoring.panel_data import RunQuery, ViewedRange
from mlspec.monitoring.quality.risk_alarm import Risk, RiskMonitor
from mlspec.monitoring.quality_divisions import judged_slices, quality_slices, why_not_judged
from mlspec.monitoring.quality_losses import (
    FIRST,
    InSlice,
    RowLoss,
    error_scale,
    labelled_rows,
    loss_of,
    losses_of,
)
from mlspec.monitoring.quality_state import MeasuredQuality, measured_quality
from mlspec.monitoring.row_slices import slice_errors
from mlspec.monitoring.slice_detectors import (
    FIRST_ROWS,
    MOST_OWN,
    Basis,
    basis,
    new_slice_monitor,
    own_slice_monitor,
    slice_budget,
    tested_errors_of,
)
from mlspec.monitoring.slice_measures import slice_measures
from mlspec.monitoring.tested_slices import tested_definition
from mlspec.monitoring.watched_model import WatchedModel

_FILE: Final = "slice-quality.json"


class SavedSlices(BaseModel):
    """The state file. `until` is the time up to which labels were taken, by when they were added."""

    model_config = ConfigDict(frozen=True)

    until: datetime = FIRST
    references: Mapping[str, str] = {}
    """The digest of the reference of each version."""
    definitions: Mapping[str, str] = {}
    versions: Mapping[str, Mapping[str, Mapping[str, str]]] = {}
    """The detector of each version, slice and value, as JSON."""
    firsts: Mapping[str, Mapping[str, float]] = {}
    """By version and slice (`town=Bonn`) the mean error of the first rows, where these are what it compares with."""


@dataclass(frozen=True, slots=True)
class SliceQuality:
    """The quality of a slice of a version that is worse than before by more than the tolerance."""

    version: str
    name: str
    value: str
    risk: Risk
    measured: MeasuredQuality | None
    """Of the predictions in the viewed range."""
    expected: float
    """Of the rows that it is compared with: the accuracy, or the mean absolute error."""
    evidence: float
    threshold: float
    since: datetime
    rows: InSlice
    tested: bool = True
    """Whether it is compared with its rows of the test split, and not with the first ones that had a label."""

    @property
    def slice(self) -> str:
        """`town=Bonn`."""
        return f"{self.name}={self.value}"

    @property
    def before(self) -> str:
        """What it is compared with."""
        return "on its rows of the test split" if self.tested else f"on its first {FIRST_ROWS} labelled rows"


Monitors = dict[str, dict[str, dict[str, RiskMonitor]]]
Firsts = dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class SliceLook:
    """The slices that have become worse, the quality of those that the test split has, and the detectors of all."""

    worse: tuple[SliceQuality, ...] = ()
    measures: tuple[SliceMeasure, ...] = ()
    monitors: Monitors = field(default_factory=dict)
    firsts: Firsts = field(default_factory=dict)

    def of(self, versions: frozenset[str], harmful: frozenset[str]) -> SliceLook:
        """These versions. Where one as a whole has become worse (`harmful`), that is the alarm, and no slice is one."""
        worse = tuple(each for each in self.worse if each.version in versions - harmful)
        return replace(self, worse=worse, measures=tuple(m for m in self.measures if m.version in versions))

    def basis(self, model: WatchedModel, version: str, name: str, value: str) -> Basis:
        """What the alarm of a slice compares with, or why it has none."""
        if name not in judged_slices(model):
            return Basis(lacking=why_not_judged(model)[name])
        return basis(model, version, (name, value), self.firsts.get(version, {}).get(f"{name}={value}"))


def slice_notes(model: WatchedModel) -> Iterator[str]:
    """Which slices have no alarm, and why."""
    for name, reason in why_not_judged(model).items():
        yield f"{name} has no alarm of its own: {reason}"


def look_at_slices(model: WatchedModel, run: RunQuery, viewed: ViewedRange) -> SliceLook:
    """Take labels that are new since the last look, save the state, and return the slices that have become worse."""
    (key, slices), expressions = quality_slices(model), judged_slices(model)
    if not expressions:
        return SliceLook()
    definitions = {name: tested_definition(name, slices[name], model.hidden) for name in expressions}
    saved = _restore(model, definitions)
    monitors: Monitors = {
        version: {
            name: {value: RiskMonitor.from_json(json.loads(text)) for value, text in values.items()}
            for name, values in named.items()
        }
        for version, named in saved.versions.items()
    }
    firsts: Firsts = {version: dict(named) for version, named in saved.firsts.items()}
    for monitor in (each for named in monitors.values() for values in named.values() for each in values.values()):
        monitor.budget_rows = slice_budget(model)  # that of the spec may be another one
    with slice_errors(key, lambda text: run(f"SELECT {text} FROM predictions p"), expressions):
        until = _take(model, run, (monitors, firsts), expressions, saved.until)
    document = SavedSlices(
        until=until,
        references=model.referenced_models,
        definitions=definitions,
        firsts=firsts,
        versions={
            version: {
                name: {value: json.dumps(each.to_json()) for value, each in values.items()}
                for name, values in named.items()
            }
            for version, named in monitors.items()
        },
    )
    path = model.state / _FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, document.model_dump_json() + "\n")
    worse = tuple(_worse(model, run, viewed, (monitors, firsts), expressions))
    alarmed = {(each.version, each.name, each.value) for each in worse}
    return SliceLook(worse, tuple(slice_measures(model, run, viewed, expressions, alarmed)), monitors, firsts)


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
    known: tuple[Monitors, Firsts],
    expressions: Mapping[str, str],
    since: datetime,
) -> datetime:
    monitors, firsts = known
    answer = "label" if model.signature.labels else "value"
    selected = ", ".join(f"{text} AS {quoted_name(f'slice.{name}')}" for name, text in expressions.items())
    rows = run(
        f"SELECT p.version, p.{answer} AS answer, p.actual, p.added_at, {selected} FROM labelled p "
        "WHERE added_at > ? AND actual IS NOT NULL ORDER BY added_at, labelled_at, time, id",
        [since],
    ).to_pylist()
    scales = {version: error_scale(model.reference_of(version)) for version in {str(row["version"]) for row in rows}}
    losses: dict[tuple[str, str, str], list[float]] = {}
    for row in rows:
        version = str(row["version"])
        loss = loss_of(row["answer"], row["actual"], scales[version])
        for name in expressions:
            if (value := row[f"slice.{name}"]) is not None:
                losses.setdefault((version, name, str(value)), []).append(loss)
    lacking: set[tuple[str, str]] = set()
    for (version, name, value), values in losses.items():
        of = monitors.setdefault(version, {}).setdefault(name, {})
        monitor = of.get(value) or new_slice_monitor(model, version, name, value)
        if monitor is None:
            lacking.add((version, name))
        else:
            monitor.update(np.array(values))
            of[value] = monitor
    for version, name in sorted(lacking):
        begun = _begin(model, run, monitors[version][name], version, (name, expressions[name]))
        firsts.setdefault(version, {}).update(begun)
    return max((row["added_at"] for row in rows), default=since)


def _begin(
    model: WatchedModel, run: RunQuery, monitors: dict[str, RiskMonitor], version: str, division: tuple[str, str]
) -> dict[str, float]:
    """Detectors of the values that have no rows to compare with on the test split, and enough labelled ones by now;
    returns the mean errors of their first rows."""
    name, expression = division
    own = sum(tested_errors_of(model, version, name, value) is None for value in monitors)
    counted = run(
        f"SELECT {expression} AS slice, COUNT(*) AS count FROM labelled p WHERE p.version = ? "
        f"AND p.actual IS NOT NULL GROUP BY ALL HAVING slice IS NOT NULL AND count >= {FIRST_ROWS} "
        "ORDER BY count DESC, slice",
        [version],
    ).to_pylist()
    begun = {}
    new = [value for row in counted if (value := str(row["slice"])) not in monitors]
    for value in new[: max(0, MOST_OWN - own)]:
        order = "p.added_at, p.labelled_at, p.time, p.id"
        rows = labelled_rows(model, run, version, inside=InSlice(expression, value), order=order)
        monitors[value] = own_slice_monitor(model, losses_of(rows))
        begun[f"{name}={value}"] = float(np.mean([row.error for row in rows[:FIRST_ROWS]]))
    return begun


def _worse(
    model: WatchedModel,
    run: RunQuery,
    viewed: ViewedRange,
    known: tuple[Monitors, Firsts],
    expressions: Mapping[str, str],
) -> Iterator[SliceQuality]:
    monitors, firsts = known
    for version, named in sorted(monitors.items()):
        for name, values in named.items():
            for value, monitor in sorted(values.items()):
                if monitor.risk().state == "harmful" and name in expressions:
                    grid = tested_errors_of(model, version, name, value)
                    before = firsts.get(version, {}).get(f"{name}={value}", 0.0) if grid is None else grid.mean
                    inside = InSlice(expressions[name], value)
                    each = _fallen(model, run, viewed, (version, name, before), inside, monitor)
                    yield replace(each, tested=grid is not None)


def _fallen(
    model: WatchedModel,
    run: RunQuery,
    viewed: ViewedRange,
    about: tuple[str, str, float],
    inside: InSlice,
    monitor: RiskMonitor,
) -> SliceQuality:
    """`about` are the version, the name of the slice, and the mean error of the rows that it is compared with."""
    version, name, before = about
    rows = labelled_rows(model, run, version, inside=inside)
    labels = bool(model.signature.labels)
    return SliceQuality(
        version=version,
        name=name,
        value=inside.value,
        risk=monitor.risk(),
        measured=_measured([row for row in rows if viewed.since <= row.time < viewed.until], labels=labels),
        expected=1 - before if labels else before,
        evidence=monitor.evidence,
        threshold=monitor.budget_rows,
        since=rows[monitor.start(losses_of(rows))].time if rows else viewed.until,
        rows=inside,
    )


def _measured(rows: list[RowLoss], *, labels: bool) -> MeasuredQuality | None:
    if not rows:
        return None
    errors = np.array([row.error for row in rows])
    values = 1 - errors if labels else errors
    deviation = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return measured_quality(float(values.mean()), deviation, len(values), labels=labels)
