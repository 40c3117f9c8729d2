"""Losses: what a wrong prediction costs, 0..1, on the test split and on labelled rows."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final, NamedTuple

import numpy as np

from mlspec.monitoring.baseline.quantile_grid import Floats
from mlspec.monitoring.baseline.reference import Reference
from mlspec.monitoring.panel_data import RunQuery
from mlspec.monitoring.watched_model import WatchedModel

FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Before the first prediction."""
_SPREAD: Final = 2.0
"""Standard deviations of the true values that are a loss of 1."""


def tested_losses(reference: Reference) -> tuple[Floats, float]:
    """The losses on the test split in random order, as the interval needs them, and the error that is a loss of 1."""
    shuffle = np.random.default_rng(0).permutation
    classes, values = reference.classes, reference.values
    if classes is not None:
        right = sum(row[index] for index, row in enumerate(classes.confusion))
        total = sum(sum(row) for row in classes.confusion)
        return shuffle(np.repeat([0.0, 1.0], [right, total - right])), 1.0
    if values is None:
        return np.zeros(0), 1.0
    errors = np.array(values.error.points)
    # The reference has no true values: their variance is that of the predictions and the mean squared error, because
    # errors of a fitted model have no correlation with its predictions.
    scale = _SPREAD * math.hypot(values.value.deviation, float(np.sqrt(np.mean(errors**2)))) or 1.0
    return shuffle(np.minimum(errors / scale, 1.0)), scale


def error_scale(reference: Reference) -> float:
    """The absolute error that is a loss of 1; of a classification 1."""
    return tested_losses(reference)[1]


def loss_of(answer: object, actual: object, scale: float) -> float:
    """The loss of a prediction, 0..1: an error of `scale` or more is 1, and so is a wrong label."""
    if isinstance(answer, float) and isinstance(actual, float):
        return min(abs(answer - actual) / scale, 1.0) if math.isfinite(answer) else 1.0
    return float(answer != actual)


class RowLoss(NamedTuple):
    """A prediction with its label; `error` is 1 for a wrong label, or the absolute error."""

    time: datetime
    loss: float
    error: float


class InSlice(NamedTuple):
    """The rows of one slice: an expression over the columns of the log, as `p`, and its value."""

    expression: str
    value: str


def labelled_rows(
    model: WatchedModel,
    run: RunQuery,
    version: str,
    since: datetime = FIRST,
    inside: InSlice | None = None,
    order: str = "p.time, p.id",
) -> list[RowLoss]:
    """The labelled rows of a version, or of one slice of it, in the order of time."""
    answer = "label" if model.signature.labels else "value"
    more, values = ("", []) if inside is None else (f"AND {inside.expression} = ? ", [inside.value])
    rows = run(
        f"SELECT p.time, p.{answer} AS answer, p.actual FROM labelled p WHERE p.version = ? AND p.time >= ? {more}"
        f"AND p.actual IS NOT NULL ORDER BY {order}",
        [version, since, *values],
    ).to_pylist()
    scale = error_scale(model.reference_of(version))
    return [_row_loss(row["time"], row["answer"], row["actual"], scale) for row in rows]


def _row_loss(time: datetime, answer: object, actual: object, scale: float) -> RowLoss:
    loss = loss_of(answer, actual, scale)
    known = isinstance(answer, float) and isinstance(actual, float) and math.isfinite(answer)
    return RowLoss(time, loss, abs(answer - actual) if known else loss * scale)  # type: ignore[operator]


def losses_of(rows: list[RowLoss]) -> Floats:
    """The losses alone."""
    return np.array([row.loss for row in rows])
