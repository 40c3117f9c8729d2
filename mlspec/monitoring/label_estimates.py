"""Precision, recall, F1 and AUROC of each label that are expected without labels, by version."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from mlspec.monitoring.baseline.reference import ClassReference
from mlspec.monitoring.duckdb_session import quoted_name
from mlspec.monitoring.monitor_state import LabelEstimateView
from mlspec.monitoring.panel_data import RunQuery, ViewedRange
from mlspec.monitoring.quality.estimated_quality import Estimate, calibrated, estimated_metrics, widened
from mlspec.monitoring.watched_model import WatchedModel

NEWEST: Final = 2_000
"""Predictions of a version from which they are estimated, the newest ones."""
MOST_LABELS: Final = 8
"""Labels of a version, those that are predicted most."""
_Z: Final = 1.96


def label_estimates(
    model: WatchedModel, run: RunQuery, viewed: ViewedRange, versions: Collection[str]
) -> Iterator[LabelEstimateView]:
    """The metrics of each label of these versions; nothing for numbers, and without predictions."""
    if model.reference.classes is None:
        return
    for version in sorted(versions):
        classes = model.reference_of(version).classes
        if classes is not None and any(any(row) for row in classes.confusion):
            yield from _of_version(model, run, viewed, version, classes)


def _of_version(
    model: WatchedModel, run: RunQuery, viewed: ViewedRange, version: str, classes: ClassReference
) -> Iterator[LabelEstimateView]:
    types = model.store.columns.types
    columns = [f"probability.{label}" for label in classes.labels]
    if not all(column in types for column in columns):  # a version with other labels
        return
    table = run(
        f"SELECT {', '.join(map(quoted_name, columns))} FROM predictions WHERE {quoted_name(columns[0])} IS NOT NULL "
        f"AND version = ? AND time >= ? AND time < ? ORDER BY time DESC LIMIT {NEWEST}",
        [version, viewed.since, viewed.until],
    )
    if not table.num_rows:
        return
    given = np.nan_to_num(np.stack([np.array(c.to_pylist(), dtype=np.float64) for c in table.columns], axis=1))
    chances, predicted = calibrated(given, classes.calibration), given.argmax(axis=1)
    counts = np.bincount(predicted, minlength=len(columns))
    for index in sorted(np.argsort(-counts, kind="stable")[:MOST_LABELS].tolist()):
        for estimate in estimated_metrics(chances, predicted, index, classes.labels[index]):
            metric = estimate.metric.partition("[")[0]
            whole = _with_test_split(replace(estimate, metric=metric), classes, index)
            yield LabelEstimateView(version, classes.labels[index], metric, whole.value, whole.low, whole.high)


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
