"""Two charts that need the reference or labels: the quality over time, and how far inputs are from training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from mlspec.monitoring.drift.column_reference import reference_columns
from mlspec.monitoring.monitor_state import ChartLine, PanelUnit, PanelView
from mlspec.monitoring.panel_data import MOST_LINES, RunQuery, ViewedRange
from mlspec.monitoring.quality_state import QualityLook, expected_over_time, measured_quality
from mlspec.monitoring.queries.sql import name as quoted
from mlspec.monitoring.watched_model import WatchedModel


def quality_panel(
    model: WatchedModel, run: RunQuery, viewed: ViewedRange, panel: PanelView, quality: QualityLook
) -> PanelView:
    """The accuracy, or the mean absolute error, of each version over time: measured, and dashed what was expected
    without labels, and on the test split."""
    measure = "CASE WHEN label = actual THEN 1.0 ELSE 0.0 END" if model.signature.labels else "ABS(value - actual)"
    rows = run(
        f"SELECT time_bucket(INTERVAL {viewed.bucket} SECONDS, time) AS moment, version, AVG({measure}) AS measured, "
        f"STDDEV_SAMP({measure}) AS deviation, COUNT(*) AS count FROM labelled "
        "WHERE actual IS NOT NULL AND time >= ? AND time < ? GROUP BY ALL ORDER BY ALL",
        [viewed.since, viewed.until],
    ).to_pylist()
    lines: dict[str, dict[datetime, float]] = {}
    intervals: dict[str, dict[datetime, tuple[float, float]]] = {}
    for row in rows:
        value, version = float(row["measured"]), str(row["version"])
        lines.setdefault(version, {})[row["moment"]] = value
        known = measured_quality(value, row["deviation"], row["count"], labels=bool(model.signature.labels))
        if row["count"] > 1 or model.signature.labels:
            intervals.setdefault(version, {})[row["moment"]] = known.low, known.high
    shown = {*lines, *quality.estimates}
    expected = {v: points for v, points in expected_over_time(model, run, viewed).items() if v in shown}
    on_tests = {version: each.tested for version, each in quality.estimates.items() if each.tested is not None}
    on_tests |= {each.version: each.expected for each in quality.versions if each.version in lines}
    tested = {version: dict.fromkeys(viewed.times, value) for version, value in sorted(on_tests.items())}
    same = len(set(on_tests.values())) == 1
    shared = [("test split", points) for points in tested.values()][:1]
    one = len(shown) == 1
    drawn = (
        *(
            replace(drawn, intervals=tuple(intervals.get(version, {}).get(time) for time in viewed.times))
            for version, points in lines.items()
            for drawn in _drawn([("measured" if one else version, points)], viewed)
        ),
        *_drawn(
            [("expected" if one else f"{version} expected", points) for version, points in expected.items()],
            viewed,
            dashed=True,
        ),
        *_drawn(shared if same else [(f"{v} test split", points) for v, points in tested.items()], viewed, dashed=True),
    )
    unit: PanelUnit = "fraction" if model.signature.labels else "number"
    return replace(
        panel, lines=drawn, units=(unit,), empty="No prediction has a label yet, and nothing is expected without."
    )


def shift_panel(model: WatchedModel, run: RunQuery, viewed: ViewedRange, panel: PanelView) -> PanelView:
    """The mean of each numeric column over time, as its distance from training in standard deviations."""
    types = model.store.columns.types
    numbers = {name for name, kind in types.items() if kind == "DOUBLE"}  # a hashed number is text
    columns = [
        c for c in reference_columns(model.reference) if c.kind == "number" and c.name in numbers and c.deviation
    ]
    title = "Inputs and scores against training"
    empty = "The model has no numeric input." if not columns else "No prediction in this range of time."
    if not columns:
        return replace(panel, title=title, lines=(), units=("number",), empty=empty)
    means = ", ".join(f"AVG({quoted(column.name)})" for column in columns)
    table = run(
        f"SELECT time_bucket(INTERVAL {viewed.bucket} SECONDS, time) AS moment, {means} "
        "FROM predictions WHERE time >= ? AND time < ? GROUP BY ALL ORDER BY ALL",
        [viewed.since, viewed.until],
    )
    times, *values = (column.to_pylist() for column in table.columns)
    lines = []
    for column, series in zip(columns, values, strict=True):
        points = {
            time: (value - column.mean) / column.deviation
            for time, value in zip(times, series, strict=True)
            if value is not None
        }
        lines.append((column.name.removeprefix("input."), points))
    lines.sort(key=lambda line: -max((abs(value) for value in line[1].values()), default=0.0))
    return replace(panel, title=title, lines=_drawn(lines[:MOST_LINES], viewed), units=("number",), empty=empty)


def _drawn(
    lines: Sequence[tuple[str, Mapping[datetime, float]]], viewed: ViewedRange, *, dashed: bool = False
) -> tuple[ChartLine, ...]:
    """Lines with a point for each bucket."""
    times = viewed.times
    return tuple(ChartLine(name, tuple((t, points.get(t)) for t in times), dashed) for name, points in lines if points)
