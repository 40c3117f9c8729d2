"""What is known of the quality in a range of time: measured by version and slice, expected without labels, the mix of
the true labels, and whether the labelled rows are like the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from mlspec.monitoring.baseline.reference import ClassReference
from mlspec.monitoring.drift.arrays import Floats
from mlspec.monitoring.duckdb_session import quoted_name
from mlspec.monitoring.monitor_state import EstimateView, LabelMix, LabelShareView, QualityView, ValueInterval
from mlspec.monitoring.panel_data import RunQuery, ViewedRange
from mlspec.monitoring.quality.estimated_quality import Estimate, calibrated, widened
from mlspec.monitoring.quality.label_shift import (
    ASSUMPTION,
    STEPS,
    LabelShift,
    corrected_accuracy,
    label_shift,
    share_intervals,
)
from mlspec.monitoring.quality.live_quality import label_bias, wilson
from mlspec.monitoring.quality_state import measured_quality
from mlspec.monitoring.row_slices import DRIFT, MOST_VALUES, QUALITY, few_values, slice_errors
from mlspec.monitoring.watched_model import WatchedModel
from mlspec.sections.monitor_slice import LiveSlice, named_slices

_NEWEST: Final = 20_000
"""Predictions that are compared, the newest ones."""
_NOT_CONVERGED: Final = (
    f"expectation maximisation did not converge in {STEPS:,} steps, "
    "as where the probabilities are nearly the same in all rows"
)
_RANGE: Final = "\"row\" IS NOT NULL AND outcome = 'success' AND time >= ? AND time < ?"


def quality_views(model: WatchedModel, run: RunQuery, viewed: ViewedRange) -> Iterator[QualityView]:
    """Each version, followed by its slices."""
    rows = [*_groups(model, run, viewed, "", "''")]
    key, slices = quality_slices(model)
    expressions = {name: expression for name, how in slices.items() if (expression := model.rows.expression(name, how))}
    with slice_errors(key, lambda text: run(f"SELECT {text} FROM predictions p"), expressions):
        for name, expression in expressions.items():
            rows += _groups(model, run, viewed, name, expression)
    yield from sorted(rows, key=lambda row: (row.version, bool(row.slice), row.slice.partition("=")[0], -row.rows))


def quality_slices(model: WatchedModel) -> tuple[str, Mapping[str, LiveSlice]]:
    """The key of the spec that declares slices, and these; without any, the category inputs with few values."""
    if declared := named_slices(model.options.quality.slices):
        return QUALITY, declared
    if model.drift_slices:
        return DRIFT, model.drift_slices
    return QUALITY, few_values(model.reference.columns, model.hashed | model.redacted)


def _groups(model: WatchedModel, run: RunQuery, viewed: ViewedRange, name: str, group: str) -> Iterator[QualityView]:
    labels = bool(model.signature.labels)
    loss = "CAST(p.label = l.answer AS DOUBLE)" if labels else "ABS(p.value - CAST(l.answer AS DOUBLE))"
    rows = run(
        f"SELECT p.version, {group} AS slice, COUNT(*) AS rows, COUNT({loss}) AS labelled, AVG({loss}) AS mean, "
        f"STDDEV_SAMP({loss}) AS deviation FROM predictions p LEFT JOIN labels l ON l.id = p.id "
        f"WHERE {_RANGE.replace('time', 'p.time')} GROUP BY ALL HAVING slice IS NOT NULL ORDER BY 3 DESC",
        [viewed.since, viewed.until],
    ).to_pylist()
    shown: dict[str, int] = {}
    for row in rows:
        version = str(row["version"])
        shown[version] = shown.get(version, 0) + 1
        if shown[version] > MOST_VALUES:
            continue
        count = int(row["labelled"])
        measured = measured_quality(float(row["mean"]), row["deviation"], count, labels=labels) if count else None
        yield QualityView(
            version=version,
            slice=f"{name}={row['slice']}" if name else "",
            metric="accuracy" if labels else "mean absolute error",
            value=measured.value if measured else None,
            low=measured.low if measured else None,
            high=measured.high if measured else None,
            labelled=count,
            rows=int(row["rows"]),
        )


def estimate_views(estimates: Mapping[str, Estimate]) -> Iterator[EstimateView]:
    """The expected quality of each version."""
    for version, estimate in sorted(estimates.items()):
        yield EstimateView(version, estimate.metric, estimate.value, estimate.low, estimate.high, estimate.tested)


def label_bias_words(model: WatchedModel, run: RunQuery, viewed: ViewedRange) -> str:
    """Whether the labelled rows are like the others; empty without labels or predictions."""
    what, column = ("predicted value", "value") if model.reference.classes is None else ("confidence", "score")
    table = run(
        f"SELECT p.{column} AS shown, l.answer IS NOT NULL AS known "
        "FROM predictions p LEFT JOIN labels l ON l.id = p.id "
        f"WHERE p.{column} IS NOT NULL AND {_RANGE.replace('time', 'p.time')} ORDER BY p.time DESC LIMIT {_NEWEST}",
        [viewed.since, viewed.until],
    )
    values = np.array(table["shown"].to_pylist(), dtype=np.float64)
    known = np.array(table["known"].to_pylist(), dtype=np.bool_)
    bias = label_bias(values, known, what)
    return bias.words() if bias else ""


def label_mix(model: WatchedModel, run: RunQuery, viewed: ViewedRange) -> LabelMix | None:
    """The estimated shares of the true labels; None for numbers, and without predictions."""
    classes = model.reference.classes
    if classes is None or sum(map(sum, classes.confusion)) == 0:
        return None
    names = ", ".join(quoted_name(f"probability.{label}") for label in classes.labels)
    first = quoted_name(f"probability.{classes.labels[0]}")
    table = run(
        f"SELECT {names} FROM predictions WHERE {first} IS NOT NULL AND {_RANGE} ORDER BY time DESC LIMIT {_NEWEST}",
        [viewed.since, viewed.until],
    )
    if not table.num_rows:
        return None
    columns = [np.array(column.to_pylist(), dtype=np.float64) for column in table.columns]
    probabilities = np.nan_to_num(np.stack(columns, axis=1))
    counted = np.array([sum(row) for row in classes.confusion], dtype=np.float64)
    training = counted / counted.sum()
    corrected = calibrated(probabilities, classes.calibration)
    shift = label_shift(corrected, training)
    rows = len(probabilities)
    counts = np.bincount(probabilities.argmax(axis=1), minlength=len(training)).tolist()
    shares = [
        LabelShareView(label, before, count / rows, None, wilson(count, rows))
        for label, before, count in zip(classes.labels, training.tolist(), counts, strict=True)
    ]
    if not shift.converged:
        return LabelMix(tuple(shares), ASSUMPTION, _NOT_CONVERGED)
    ends = share_intervals(corrected, training, shift.shares).tolist()
    estimated = zip(shares, shift.shares.tolist(), ends, strict=True)
    return LabelMix(
        tuple(replace(view, estimated=value, estimated_interval=(low, high)) for view, value, (low, high) in estimated),
        ASSUMPTION,
        accuracy=_corrected(corrected, training, shift, classes),
    )


def _corrected(probabilities: Floats, training: Floats, shift: LabelShift, classes: ClassReference) -> ValueInterval:
    """The expected accuracy with the estimated shares, with the uncertainty of the test split."""
    value, low, high = corrected_accuracy(probabilities, training, shift)
    right = sum(row[index] for index, row in enumerate(classes.confusion))
    wide = widened(Estimate("accuracy", value, low, high), right, sum(map(sum, classes.confusion)))
    return ValueInterval(value, wide.low, wide.high)
