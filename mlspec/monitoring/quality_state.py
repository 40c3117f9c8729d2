"""The quality of a served model: measured on labelled predictions by version, estimated without labels, from
scores or from what its errors depend on."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from mlspec.job import write_text
from mlspec.monitoring.baseline.reference import ClassReference, Reference, ScoreBin
from mlspec.monitoring.drift.arrays import Floats
from mlspec.monitoring.live_errors import ExpectedLook, expected_errors_over_time, expected_look
from mlspec.monitoring.panel_data import RunQuery, ViewedRange
from mlspec.monitoring.quality.estimated_quality import Estimate, calibrated, estimated_accuracy, widened
from mlspec.monitoring.quality.live_quality import wilson
from mlspec.monitoring.quality.risk_alarm import Risk, RiskMonitor
from mlspec.monitoring.quality_divisions import judged_slices
from mlspec.monitoring.quality_losses import FIRST, error_scale, labelled_rows, loss_of, losses_of, tested_losses
from mlspec.monitoring.watched_model import WatchedModel
from mlspec.render.formatting import metric_interval, metric_value
from mlspec.sections.monitor_drift import DAY, Drift
from mlspec.spec.types import rate_parts

_FILE: Final = "quality.json"
_MOST_ESTIMATED: Final = 20_000
"""Newest predictions from which the quality is estimated."""
_STATES: Final = {
    "harmful": "harmful", "within the tolerance": "not harmful", "unknown": "unknown whether it is harmful"
}  # fmt: skip
_Z: Final = 1.96
"""Standard errors of a 95 % interval."""
_LOSSES: Final = 2
"""The losses of a regression are in units of the deviation of its true values (1: of its predictions)."""


class SavedQuality(BaseModel):
    """The state file. `until` is the time up to which labels were taken, by when they were added."""

    model_config = ConfigDict(frozen=True)

    losses: Literal[2]
    """How losses are computed: all labels are taken again where a detector saw others."""

    reference: str
    until: datetime
    versions: Mapping[str, str]
    """The detector of each version, as JSON."""
    references: Mapping[str, str] = {}
    """The digest of the reference of each version; `reference` is that of the exported model."""


_UNSEEN: Final = SavedQuality(losses=_LOSSES, reference="", until=FIRST, versions={})
"""The state before the first look."""


@dataclass(frozen=True, slots=True)
class MeasuredQuality:
    """The accuracy, or the mean absolute error, of labelled predictions in a range of time, with a 95 % interval."""

    metric: Literal["accuracy", "mean absolute error"]
    value: float
    low: float
    high: float
    rows: int

    def words(self) -> str:
        """`accuracy 0.912 (0.880 to 0.937) of 412 labelled rows`."""
        return f"{self.metric} {metric_interval(self.value, self.low, self.high)} of {self.rows:,} labelled rows"


@dataclass(frozen=True, slots=True)
class VersionQuality:
    """The quality of one version: `risk` over all its labels, `measured` in the viewed range."""

    version: str
    risk: Risk
    measured: MeasuredQuality | None
    expected: float
    """The quality on the test split: the accuracy, or the mean absolute error."""
    evidence: float = 0.0
    """That the loss has risen beyond the tolerance."""
    threshold: float = math.inf
    """The evidence that an alarm needs."""

    def words(self) -> str:
        """Whether a change of the inputs is harmful, and the quality that shows it."""
        measured = self.measured.words() if self.measured else "no labels in this range of time"
        return f"{_STATES[self.risk.state]}: {measured}"


@dataclass(frozen=True, slots=True)
class QualityLook:
    """The quality of each version with labels, the share of labelled predictions, and the estimate without labels."""

    versions: tuple[VersionQuality, ...]
    labelled: int
    rows: int
    estimates: Mapping[str, Estimate]
    """By version: what is expected without labels, the accuracy or the mean absolute error."""
    expected: ExpectedLook = field(default_factory=ExpectedLook)
    """Of a regression: the other error, and why nothing is expected."""
    in_slices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The slices of versions that have become worse in these alone."""

    @property
    def harmful(self) -> tuple[VersionQuality, ...]:
        """The versions whose loss has risen beyond the tolerance."""
        return tuple(each for each in self.versions if each.risk.state == "harmful")

    @property
    def fallen(self) -> frozenset[str]:
        """Their names."""
        return frozenset(each.version for each in self.harmful)

    @property
    def alarmed(self) -> frozenset[str]:
        """The versions with an alarm about their quality, of all rows or of a slice."""
        return frozenset((*self.in_slices, *self.fallen))


def judged_since(model: WatchedModel, run: RunQuery, look: QualityLook, changes: Mapping[str, datetime]) -> QualityLook:
    """The look with the risk of each version in `changes` since that time: earlier rows say nothing about a change."""
    monitors = _monitors(_restore(model.state / _FILE, model)) or {}
    versions = []
    for each in look.versions:
        if (since := changes.get(each.version)) is None or each.version not in monitors:
            versions.append(each)
            continue
        losses = losses_of(labelled_rows(model, run, each.version, since))
        risk = monitors[each.version].risk_since(losses, f" since {since:%Y-%m-%d %H:%M}")
        versions.append(replace(each, risk=replace(risk, scale=each.risk.scale)))
    return replace(look, versions=tuple(versions))


def look_at_quality(model: WatchedModel, run: RunQuery, viewed: ViewedRange) -> QualityLook:
    """Take labels that are new since the last look, and save the state; a label counts once."""
    path = model.state / _FILE
    saved = _restore(path, model)
    monitors = _monitors(saved)
    if monitors is None:  # damaged: all labels are taken again
        saved, monitors = _UNSEEN, {}
    for monitor in monitors.values():  # the spec, or the slices, may be other ones
        monitor.budget_rows = risk_budget(model)
    until = _take(model, run, monitors, saved.until)
    versions = {version: json.dumps(monitor.to_json()) for version, monitor in monitors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    document = SavedQuality(
        losses=_LOSSES,
        reference=model.reference.digest,
        until=until,
        versions=versions,
        references=model.referenced_models,
    )
    write_text(path, document.model_dump_json() + "\n")
    labelled, rows = _counts(run, viewed)
    measured = _measured(model, run, viewed)
    classes = bool(model.signature.labels)
    expected = ExpectedLook() if classes else expected_look(model, run, viewed)
    return QualityLook(
        versions=tuple(
            VersionQuality(
                v,
                replace(monitor.risk(), scale=_scale(model.reference_of(v))),
                measured.get(v),
                _expected(model.reference_of(v)),
                monitor.evidence,
                monitor.budget_rows,
            )
            for v, monitor in sorted(monitors.items())
        ),
        labelled=labelled,
        rows=rows,
        estimates=_estimates(model, run, viewed) if classes else expected.absolute,
        expected=expected,
    )


def _restore(path: Path, model: WatchedModel) -> SavedQuality:
    try:
        saved = SavedQuality.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return _UNSEEN
    known = model.referenced_models

    def digest_before(version: str) -> str:
        return saved.references.get(version, saved.reference)

    kept = {
        version: state
        for version, state in saved.versions.items()
        if digest_before(version) == known.get(version, model.reference.digest)
    }
    return saved.model_copy(update={"versions": kept})  # the others were compared with another reference


def _scale(reference: Reference) -> float | None:
    """The absolute error that is a loss of 1; None of a classification."""
    return None if reference.classes is not None else error_scale(reference)


def _monitors(saved: SavedQuality) -> dict[str, RiskMonitor] | None:
    """The saved detectors; None if they cannot be read."""
    try:
        return {version: RiskMonitor.from_json(json.loads(state)) for version, state in saved.versions.items()}
    except ValueError:
        return None


def test_losses(model: WatchedModel) -> Floats:
    """The losses on the test split."""
    return tested_losses(model.reference)[0]


def new_risk_monitor(model: WatchedModel, version: str = "") -> RiskMonitor:
    """A detector of a version that has seen no label; default: of the exported model."""
    source, _ = tested_losses(model.reference_of(version))
    return RiskMonitor.of(source, model.options.quality.tolerance, risk_budget(model))


def risk_budget(model: WatchedModel) -> float:
    """The labelled rows between two false alarms about the whole of a version: half of the budget, if slices have a
    detector too."""
    alarms, seconds = rate_parts(model.options.quality.false_alarms)
    return max(1.0, rows_per_day(model) * seconds / DAY / alarms) * (2 if judged_slices(model) else 1)


def rows_per_day(model: WatchedModel) -> float:
    """The expected traffic."""
    return (model.options.drift or Drift()).rows_per_day()


def _take(model: WatchedModel, run: RunQuery, monitors: dict[str, RiskMonitor], since: datetime) -> datetime:
    answer = "label" if model.signature.labels else "value"
    rows = run(
        f"SELECT version, {answer} AS answer, actual, added_at FROM labelled "
        "WHERE added_at > ? AND actual IS NOT NULL ORDER BY added_at, labelled_at, time, id",
        [since],
    ).to_pylist()
    losses: dict[str, list[float]] = {}
    scales = {version: error_scale(model.reference_of(version)) for version in {str(row["version"]) for row in rows}}
    for row in rows:
        version = str(row["version"])
        losses.setdefault(version, []).append(loss_of(row["answer"], row["actual"], scales[version]))
    for version, values in losses.items():
        if version not in monitors:
            monitors[version] = new_risk_monitor(model, version)
        monitors[version].update(np.array(values))
    newest = [row["added_at"] for row in rows]
    return max(newest, default=since)


def _counts(run: RunQuery, viewed: ViewedRange) -> tuple[int, int]:
    limits = [viewed.since, viewed.until]
    condition = "WHERE \"row\" IS NOT NULL AND outcome = 'success' AND time >= ? AND time < ?"
    counts = [
        int(run(f"SELECT COUNT(*) FROM {view} {condition}", limits).column(0)[0].as_py())
        for view in ("labelled", "predictions")
    ]
    return counts[0], counts[1]


def _expected(reference: Reference) -> float:
    classes, values = reference.classes, reference.values
    if classes is not None:
        total = sum(sum(row) for row in classes.confusion)
        return sum(row[index] for index, row in enumerate(classes.confusion)) / max(total, 1)
    return values.error.mean if values is not None else 0.0


def tested_words(model: WatchedModel, version: str) -> str:
    """What the alarm of a version compares with: `0.800 on 1,000 rows of the test split`."""
    reference = model.reference_of(version)
    return f"{metric_value(_expected(reference))} on {len(tested_losses(reference)[0]):,} rows of the test split"


def _measured(model: WatchedModel, run: RunQuery, viewed: ViewedRange) -> dict[str, MeasuredQuality]:
    """By version, of the predictions in the range."""
    loss = "CAST(label = actual AS DOUBLE)" if model.signature.labels else "ABS(value - actual)"
    rows = run(
        f"SELECT version, COUNT(*) AS count, AVG({loss}) AS mean, STDDEV_SAMP({loss}) AS deviation FROM labelled "
        "WHERE actual IS NOT NULL AND time >= ? AND time < ? GROUP BY version",
        [viewed.since, viewed.until],
    ).to_pylist()
    labels = bool(model.signature.labels)
    return {
        str(row["version"]): measured_quality(float(row["mean"]), row["deviation"], int(row["count"]), labels=labels)
        for row in rows
    }


def measured_quality(mean: float, deviation: float | None, count: int, *, labels: bool) -> MeasuredQuality:
    """The mean of right answers (`labels`), or of absolute errors, of `count` rows, with its interval."""
    if labels:
        return MeasuredQuality("accuracy", mean, *wilson(round(mean * count), count), count)
    half = _Z * (deviation or 0.0) / count**0.5
    return MeasuredQuality("mean absolute error", mean, mean - half, mean + half, count)


def change_of_loss(model: WatchedModel, run: RunQuery, version: str) -> datetime | None:
    """When the loss of a version rose: the time of the row after the lowest point of a bet on it."""
    rows = labelled_rows(model, run, version)
    return rows[new_risk_monitor(model, version).start(losses_of(rows))].time if rows else None


def _estimates(model: WatchedModel, run: RunQuery, viewed: ViewedRange) -> dict[str, Estimate]:
    """The expected accuracy of the newest predictions of each version; empty without predictions."""
    rows = run(
        "SELECT version, score FROM predictions WHERE score IS NOT NULL AND time >= ? AND time < ? "
        f"ORDER BY time DESC LIMIT {_MOST_ESTIMATED}",
        [viewed.since, viewed.until],
    ).to_pylist()
    scores: dict[str, list[float]] = {}
    for row in rows:
        scores.setdefault(str(row["version"]), []).append(float(row["score"]))
    known = {version: model.reference_of(version).classes for version in scores}
    return {
        version: _estimate(np.array(values), classes)
        for version, values in scores.items()
        if (classes := known[version]) is not None
    }


def expected_over_time(model: WatchedModel, run: RunQuery, viewed: ViewedRange) -> dict[str, dict[datetime, float]]:
    """The expected accuracy, or mean absolute error, of each version, of the predictions of each stretch of time."""
    if not model.signature.labels:
        return expected_errors_over_time(model, run, viewed)
    rows = run(
        f"SELECT version, time_bucket(INTERVAL {viewed.bucket} SECONDS, time) AS moment, ROUND(score, 3) AS score, "
        "COUNT(*) AS count FROM predictions WHERE score IS NOT NULL AND time >= ? AND time < ? "
        "GROUP BY ALL ORDER BY ALL",
        [viewed.since, viewed.until],
    ).to_pylist()
    groups: dict[str, dict[datetime, list[tuple[float, int]]]] = {}
    for row in rows:
        moments = groups.setdefault(str(row["version"]), {})
        moments.setdefault(row["moment"], []).append((float(row["score"]), int(row["count"])))
    result: dict[str, dict[datetime, float]] = {}
    for version, moments in groups.items():
        classes = model.reference_of(version).classes
        for moment, counted in moments.items() if classes is not None else ():
            scores, counts = (np.array(column, dtype=np.float64) for column in zip(*counted, strict=True))
            right = _right(scores, classes.calibration) if classes is not None else scores
            result.setdefault(version, {})[moment] = float(np.average(right, weights=counts))
    return result


def _estimate(scores: Floats, classes: ClassReference) -> Estimate:
    right, total = sum(row[index] for index, row in enumerate(classes.confusion)), sum(map(sum, classes.confusion))
    estimate = widened(estimated_accuracy(_right(scores, classes.calibration)), right, total)
    return replace(estimate, tested=right / total if total else None)


def _right(scores: Floats, bins: Sequence[ScoreBin]) -> Floats:
    """The chance of each prediction to be right: its calibrated score."""
    both = np.stack([scores, np.zeros(len(scores))], axis=1)
    return np.asarray(calibrated(both, bins)[:, 0], dtype=np.float64)
