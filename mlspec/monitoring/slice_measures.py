"""The quality of each slice that the test split has, by version: what Kibana, Grafana and the page show of slices."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import groupby, islice
from typing import Final

from mlspec.monitoring.monitor_state import SliceMeasure, ValueInterval
from mlspec.monitoring.panel_data import RunQuery, ViewedRange
from mlspec.monitoring.quality_state import measured_quality
from mlspec.monitoring.slice_detectors import tested_errors_of
from mlspec.monitoring.tested_slices import TESTED_ROWS
from mlspec.monitoring.watched_model import WatchedModel

LEAST_ROWS: Final = TESTED_ROWS
"""A slice of a version with fewer labelled rows in the viewed range is not reported."""
MOST_SLICES: Final = 200
"""Slices of a version that are reported: those with an open alarm, then those with the most labelled rows."""
Alarmed = Collection[tuple[str, str, str]]
"""Version, name and value of slices with an open alarm."""


def slice_measures(
    model: WatchedModel, run: RunQuery, viewed: ViewedRange, expressions: Mapping[str, str], alarmed: Alarmed
) -> Iterator[SliceMeasure]:
    """The slices of each version with enough labelled rows in the range, and in the test split.

    Others are left out: clients choose their values, so that their number has no bound.
    """
    every = (each for name, text in expressions.items() for each in _measured(model, run, viewed, name, text))
    yield from bounded(every, alarmed)


def bounded(measures: Iterable[SliceMeasure], alarmed: Alarmed) -> Iterator[SliceMeasure]:
    """Up to MOST_SLICES of each version."""
    ordered = sorted(measures, key=lambda e: (e.version, e.place not in alarmed, -e.rows, e.name, e.value))
    for _, slices in groupby(ordered, key=lambda each: each.version):
        yield from islice(slices, MOST_SLICES)


def _measured(
    model: WatchedModel, run: RunQuery, viewed: ViewedRange, name: str, expression: str
) -> Iterator[SliceMeasure]:
    """The values of one division, each with its own interval."""
    labels = bool(model.signature.labels)
    shown = "CAST(p.label = p.actual AS DOUBLE)" if labels else "ABS(p.value - p.actual)"
    rows = run(
        f"SELECT p.version, {expression} AS slice, COUNT({shown}) AS count, AVG({shown}) AS mean, "
        f"STDDEV_SAMP({shown}) AS deviation FROM labelled p WHERE p.actual IS NOT NULL AND p.time >= ? AND p.time < ? "
        f"GROUP BY ALL HAVING slice IS NOT NULL AND COUNT({shown}) >= {LEAST_ROWS}",
        [viewed.since, viewed.until],
    ).to_pylist()
    for row in rows:
        version, value = str(row["version"]), str(row["slice"])
        if (tested := tested_errors_of(model, version, name, value)) is None:
            continue
        each = measured_quality(float(row["mean"]), row["deviation"], int(row["count"]), labels=labels)
        yield SliceMeasure(
            version=version,
            name=name,
            value=value,
            metric=each.metric,
            measured=ValueInterval(each.value, each.low, each.high),
            tested=1 - tested.mean if labels else tested.mean,
            rows=each.rows,
        )
