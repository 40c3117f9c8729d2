"""The mix of the true labels of each version without labels (label shift), and the accuracy that it leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from mlspec.monitoring.baseline.reference import ClassReference
from mlspec.monitoring.drift.arrays import Floats
from mlspec.monitoring.duckdb_session import quoted_name
from mlspec.monitoring.monitor_state import LabelMix, LabelShareView, ValueInterval
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
from mlspec.monitoring.quality.live_quality import wilson
from mlspec.monitoring.watched_model import WatchedModel
from mlspec.render.formatting import plural

_NEWEST: Final = 20_000
"""Predictions of a version from which the shares are estimated, the newest ones."""
LEAST: Final = 100
"""Predictions of a version that are needed."""
_NOT_CONVERGED: Final = (
    f"expectation maximisation did not converge in {STEPS:,} steps, "
    "as where the probabilities are nearly the same in all rows"
)
_RANGE: Final = "\"row\" IS NOT NULL AND outcome = 'success' AND time >= ? AND time < ?"


def label_mixes(model: WatchedModel, run: RunQuery, viewed: ViewedRange) -> Iterator[LabelMix]:
    """The estimated shares of the true labels of each version; nothing of numbers, and without predictions."""
    if not model.signature.labels:
        return
    ends = [viewed.since, viewed.until]
    versions = run(f"SELECT DISTINCT version FROM predictions WHERE {_RANGE} ORDER BY version", ends)["version"]
    for version in map(str, versions.to_pylist()):
        classes = model.reference_of(version).classes
        if classes is None or sum(map(sum, classes.confusion)) == 0:
            continue
        if not all(f"probability.{label}" in model.store.columns.types for label in classes.labels):
            yield LabelMix((), ASSUMPTION, "the log has no probabilities of all of its labels", version=version)
        elif (probabilities := _probabilities(run, viewed, version, classes)).size:
            yield _mix(version, probabilities, classes)


def _probabilities(run: RunQuery, viewed: ViewedRange, version: str, classes: ClassReference) -> Floats:
    names = ", ".join(quoted_name(f"probability.{label}") for label in classes.labels)
    first = quoted_name(f"probability.{classes.labels[0]}")
    table = run(
        f"SELECT {names} FROM predictions WHERE version = ? AND {first} IS NOT NULL AND {_RANGE} "
        f"ORDER BY time DESC LIMIT {_NEWEST}",
        [version, viewed.since, viewed.until],
    )
    columns = [np.array(column.to_pylist(), dtype=np.float64) for column in table.columns]
    return np.asarray(np.nan_to_num(np.stack(columns, axis=1)), dtype=np.float64)


def _mix(version: str, probabilities: Floats, classes: ClassReference) -> LabelMix:
    counted = np.array([sum(row) for row in classes.confusion], dtype=np.float64)
    training, rows = counted / counted.sum(), len(probabilities)
    counts = np.bincount(probabilities.argmax(axis=1), minlength=len(training)).tolist()
    shares = [
        LabelShareView(label, before, count / rows, None, wilson(count, rows))
        for label, before, count in zip(classes.labels, training.tolist(), counts, strict=True)
    ]
    if rows < LEAST:
        problem = f"{plural(rows, 'prediction')} of {LEAST} that are needed"
        return LabelMix(tuple(shares), ASSUMPTION, problem, version=version)
    corrected = calibrated(probabilities, classes.calibration)
    shift = label_shift(corrected, training)
    if not shift.converged:
        return LabelMix(tuple(shares), ASSUMPTION, _NOT_CONVERGED, version=version)
    ends = share_intervals(corrected, training, shift.shares).tolist()
    estimated = zip(shares, shift.shares.tolist(), ends, strict=True)
    return LabelMix(
        tuple(replace(view, estimated=value, estimated_interval=(low, high)) for view, value, (low, high) in estimated),
        ASSUMPTION,
        accuracy=_corrected(corrected, training, shift, classes),
        version=version,
    )


def _corrected(probabilities: Floats, training: Floats, shift: LabelShift, classes: ClassReference) -> ValueInterval:
    """The expected accuracy with the estimated shares, with the uncertainty of the test split."""
    value, low, high = corrected_accuracy(probabilities, training, shift)
    right = sum(row[index] for index, row in enumerate(classes.confusion))
    wide = widened(Estimate("accuracy", value, low, high), right, sum(map(sum, classes.confusion)))
    return ValueInterval(value, wide.low, wide.high)
