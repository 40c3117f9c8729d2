"""The measures of the quality of each version: measured on labelled predictions, and expected without labels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow as pa

from mlspec.monitoring.baseline.reference import ClassReference
from mlspec.monitoring.drift.arrays import Floats
from mlspec.monitoring.duckdb_session import quoted_name
from mlspec.monitoring.monitor_state import MeasureView, ValueInterval
from mlspec.monitoring.panel_data import RunQuery, ViewedRange
from mlspec.monitoring.quality.estimated_quality import (
    Estimate,
    calibrated,
    estimated_metrics,
    weighted_auroc,
    widened,
)
from mlspec.monitoring.quality.expected_error import SQUARED
from mlspec.monitoring.quality.live_quality import wilson
from mlspec.monitoring.quality_state import MeasuredQuality, QualityLook
from mlspec.monitoring.watched_model import WatchedModel

NEWEST: Final = 2_000
"""Predictions of a version from which the measures of labels are taken, the newest ones."""
MOST_LABELS: Final = 8
"""Labels of a version, those that are predicted most."""
_METRICS: Final = ("precision", "recall", "f1", "auroc")
_Z: Final = 1.96
_Known = dict[tuple[str, str], ValueInterval]
"""By metric and label."""


def quality_measures(
    model: WatchedModel, run: RunQuery, viewed: ViewedRange, quality: QualityLook
) -> Iterator[MeasureView]:
    """Of each version: of all predictions, then of each label."""
    measured = {each.version: each.measured for each in quality.versions if each.measured is not None}
    for version in sorted(measured.keys() | quality.estimates.keys()):
        whole, expected = measured.get(version), quality.estimates.get(version)
        metric = whole.metric if whole is not None else expected.metric if expected is not None else ""
        yield MeasureView(version, metric, "", _ends(whole), _ends(expected))
        if not model.signature.labels:
            yield from _of_numbers(run, viewed, version, quality)
        classes = model.reference_of(version).classes
        if classes is not None:
            yield from _of_labels(model, run, viewed, version, classes)


def _ends(known: MeasuredQuality | Estimate | None) -> ValueInterval | None:
    return None if known is None else ValueInterval(known.value, known.low, known.high)


def _of_numbers(run: RunQuery, viewed: ViewedRange, version: str, quality: QualityLook) -> Iterator[MeasureView]:
    """The root mean squared error; its interval is that of the mean of the squares."""
    squares = "POWER(value - actual, 2)"
    (row,) = run(
        f"SELECT COUNT({squares}) AS count, AVG({squares}) AS mean, STDDEV_SAMP({squares}) AS deviation FROM labelled "
        "WHERE version = ? AND time >= ? AND time < ?",
        [version, viewed.since, viewed.until],
    ).to_pylist()
    measured = None
    if row["count"]:
        half = _Z * (row["deviation"] or 0.0) / row["count"] ** 0.5
        ends = (row["mean"], max(row["mean"] - half, 0.0), row["mean"] + half)
        measured = ValueInterval(*map(math.sqrt, ends))
    expected = _ends(quality.expected.squared.get(version))
    if measured is not None or expected is not None:
        yield MeasureView(version, SQUARED, "", measured, expected)


def _of_labels(
    model: WatchedModel, run: RunQuery, viewed: ViewedRange, version: str, classes: ClassReference
) -> Iterator[MeasureView]:
    columns = [f"probability.{label}" for label in classes.labels]
    if not all(column in model.store.columns.types for column in columns):  # a version with other labels
        return
    names = ", ".join(map(quoted_name, columns))
    newest = (
        f"WHERE {quoted_name(columns[0])} IS NOT NULL AND version = ? AND time >= ? AND time < ? "
        f"ORDER BY time DESC LIMIT {NEWEST}"
    )
    values = [version, viewed.since, viewed.until]
    predictions = run(f"SELECT {names} FROM predictions {newest}", values)
    labelled = run(f"SELECT {names}, actual FROM labelled {newest}", values)
    if not predictions.num_rows:
        return
    given = _matrix(predictions.columns)
    counts = np.bincount(given.argmax(axis=1), minlength=len(columns))
    shown = sorted(np.argsort(-counts, kind="stable")[:MOST_LABELS].tolist())
    estimated = _estimated(given, classes, shown)
    measured: _Known = {}
    if labelled.num_rows:
        *probabilities, actual = labelled.columns
        measured = _measured(_matrix(probabilities), actual.to_pylist(), classes, shown)
    for label in (classes.labels[index] for index in shown):
        for metric in _METRICS:
            one, other = measured.get((metric, label)), estimated.get((metric, label))
            if one is not None or other is not None:
                yield MeasureView(version, metric, label, one, other)


def _matrix(columns: list[pa.ChunkedArray]) -> Floats:
    values = [np.array(column.to_pylist(), dtype=np.float64) for column in columns]
    return np.asarray(np.nan_to_num(np.stack(values, axis=1)), dtype=np.float64)


def _estimated(given: Floats, classes: ClassReference, shown: list[int]) -> _Known:
    if not any(any(row) for row in classes.confusion):
        return {}
    chances, predicted = calibrated(given, classes.calibration), given.argmax(axis=1)
    result: _Known = {}
    for index in shown:
        for estimate in estimated_metrics(chances, predicted, index, classes.labels[index]):
            metric = estimate.metric.partition("[")[0]
            whole = _with_test_split(replace(estimate, metric=metric), classes, index)
            result[metric, classes.labels[index]] = ValueInterval(whole.value, whole.low, whole.high)
    return result


def _measured(given: Floats, actual: list[object], classes: ClassReference, shown: list[int]) -> _Known:
    """On labelled rows; a metric without a row that it is about is absent."""
    predicted, result = given.argmax(axis=1), _Known()
    for index in shown:
        label = classes.labels[index]
        true, chosen = np.array([each == label for each in actual]), predicted == index
        right, positives, chosen_rows = int(np.sum(true & chosen)), int(true.sum()), int(chosen.sum())
        both = positives + chosen_rows
        if chosen_rows:
            result["precision", label] = ValueInterval(right / chosen_rows, *wilson(right, chosen_rows))
        if positives:
            result["recall", label] = ValueInterval(right / positives, *wilson(right, positives))
        if both:
            result["f1", label] = ValueInterval(2 * right / both, *wilson(right, max(round(both / 2), right)))
        if 0 < positives < len(true):
            area = float(weighted_auroc(given[:, index], true.astype(np.float64)))
            half = _Z * area_error(area, positives, len(true) - positives)
            result["auroc", label] = ValueInterval(area, max(0.0, area - half), min(1.0, area + half))
    return result


def _with_test_split(estimate: Estimate, classes: ClassReference, index: int) -> Estimate:
    """The estimate with the uncertainty of the test split, on which the scores were calibrated."""
    confusion = np.array(classes.confusion, dtype=np.float64)
    right, actual, predicted = confusion[index, index], confusion[index].sum(), confusion[:, index].sum()
    match estimate.metric:
        case "precision":
            return widened(estimate, int(right), int(predicted))
        case "recall":
            return widened(estimate, int(right), int(actual))
        case "f1":
            return widened(estimate, int(right), round(float(actual + predicted) / 2))
        case _:
            half = _Z * area_error(estimate.value, float(actual), float(confusion.sum() - actual))
            low = max(0.0, estimate.value - math.hypot(estimate.value - estimate.low, half))
            return replace(
                estimate, low=low, high=min(1.0, estimate.value + math.hypot(estimate.high - estimate.value, half))
            )


def area_error(area: float, positives: float, negatives: float) -> float:
    """The standard error of an AUROC of so many rows (Hanley and McNeil, 1982); 1 without rows of one kind."""
    if not positives or not negatives:
        return 1.0
    both_above, both_below = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (positives - 1) * (both_above - area**2) + (negatives - 1) * (both_below - area**2)
    return math.sqrt(max(spread, 0.0) / (positives * negatives))
