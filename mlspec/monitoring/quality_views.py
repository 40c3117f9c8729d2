"""What is known of the quality in a range of time: measured by version and slice, expected without labels, the mix of
the true labels, and whether the labelled rows are like the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from mlspec.monitoring.monitor_state import EstimateView, QualityView
from mlspec.monitoring.panel_data import RunQuery, ViewedRange
from mlspec.monitoring.quality.estimated_quality import Estimate
from mlspec.monitoring.quality.live_quality import label_bias
from mlspec.monitoring.quality_divisions import quality_slices, shown_slices
from mlspec.monitoring.quality_state import measured_quality, tested_words
from mlspec.monitoring.row_slices import MOST_VALUES, slice_errors
from mlspec.monitoring.slice_quality import SliceLook
from mlspec.monitoring.watched_model import WatchedModel

_NEWEST: Final = 20_000
"""Predictions that are compared, the newest ones."""
_RANGE: Final = "\"row\" IS NOT NULL AND outcome = 'success' AND time >= ? AND time < ?"


def quality_views(model: WatchedModel, run: RunQuery, viewed: ViewedRange, look: SliceLook) -> Iterator[QualityView]:
    """Each version, followed by its slices."""
    rows = [replace(view, compared=tested_words(model, view.version)) for view in _groups(model, run, viewed, "", "''")]
    (key, _), expressions = quality_slices(model), shown_slices(model)
    with slice_errors(key, lambda text: run(f"SELECT {text} FROM predictions p"), expressions):
        for name, expression in expressions.items():
            for view in _groups(model, run, viewed, name, expression):
                value = view.slice.removeprefix(f"{name}=")
                rows.append(replace(view, **look.basis(model, view.version, name, value)._asdict()))
    yield from sorted(rows, key=lambda row: (row.version, bool(row.slice), row.slice.partition("=")[0], -row.rows))


def _groups(model: WatchedModel, run: RunQuery, viewed: ViewedRange, name: str, group: str) -> Iterator[QualityView]:
    labels = bool(model.signature.labels)
    loss = "CAST(p.label = l.answer AS DOUBLE)" if labels else "ABS(p.value - CAST(l.answer AS DOUBLE))"
    most = f"ROW_NUMBER() OVER (PARTITION BY p.version ORDER BY COUNT(*) DESC, slice) <= {MOST_VALUES}"
    rows = run(
        f"SELECT p.version, {group} AS slice, COUNT(*) AS rows, COUNT({loss}) AS labelled, AVG({loss}) AS mean, "
        f"STDDEV_SAMP({loss}) AS deviation FROM predictions p LEFT JOIN labels l ON l.id = p.id "
        f"WHERE {_RANGE.replace('time', 'p.time')} GROUP BY 1, 2 HAVING slice IS NOT NULL "
        f"QUALIFY {most} ORDER BY 3 DESC",
        [viewed.since, viewed.until],
    ).to_pylist()
    for row in rows:
        count = int(row["labelled"])
        measured = measured_quality(float(row["mean"]), row["deviation"], count, labels=labels) if count else None
        yield QualityView(
            version=str(row["version"]),
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
