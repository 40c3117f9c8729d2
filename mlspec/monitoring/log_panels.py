"""Charts that need the reference or labels: the quality over time, and how far inputs are from training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeAlias

from mlspec.monitoring.drift.column_reference import ColumnReference, reference_columns
from mlspec.monitoring.monitor_state import ChartLine, PanelUnit, PanelView
from mlspec.monitoring.panel_data import MOST_LINES, RunQuery, ViewedRange
from mlspec.monitoring.quality_state import QualityLook, expected_over_time, measured_quality
from mlspec.monitoring.queries.sql import literal
from mlspec.monitoring.queries.sql import name as quoted
from mlspec.monitoring.watched_model import WatchedModel

_VALUES: Final = 20
"""Values of a category whose shares are compared: the most frequent ones in training."""


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
    """The mean of each numeric column of each version over time, as its distance from training in standard deviations.

    All versions are compared with the same training data, so that a difference between them is one of their rows.
    """
    types = model.store.columns.types
    numbers = {name for name, kind in types.items() if kind == "DOUBLE"}  # a hashed number is text
    columns = [
        c for c in reference_columns(model.reference) if c.kind == "number" and c.name in numbers and c.deviation
    ]
    title = "Inputs and scores against training, by version"
    empty = "The model has no numeric input." if not columns else "No prediction in this range of time."
    if not columns:
        return replace(panel, title=title, lines=(), units=("number",), empty=empty)
    means = ", ".join(f"AVG({quoted(column.name)})" for column in columns)
    table = run(
        f"SELECT time_bucket(INTERVAL {viewed.bucket} SECONDS, time) AS moment, version, COUNT(*), {means} "
        "FROM predictions WHERE time >= ? AND time < ? GROUP BY ALL ORDER BY ALL",
        [viewed.since, viewed.until],
    )
    times, versions, counts, *values = (column.to_pylist() for column in table.columns)
    places = list(zip(versions, times, strict=True))
    wholes = _by_version(zip(places, counts, strict=True))
    lines: list[_Line] = []
    for column, series in zip(columns, values, strict=True):
        shifts = (
            (p, (v - column.mean) / column.deviation) for p, v in zip(places, series, strict=True) if v is not None
        )
        for version, points in _by_version(shifts).items():
            lines.append((_change(points, wholes[version]), version, column.name.removeprefix("input."), points))
    return replace(panel, title=title, lines=_largest_changes(lines, viewed), units=("number",), empty=empty)


def category_panel(model: WatchedModel, run: RunQuery, viewed: ViewedRange) -> PanelView | None:
    """The shares of the values of categories of each version over time, minus those in training: of the values that
    changed most.

    None without a category whose values are logged.
    """
    columns = [
        column
        for column in reference_columns(model.reference)
        if column.kind == "category" and column.shares and _logged(model, column.name)
    ]
    if not columns:
        return None
    counts: dict[tuple[str, int, str], dict[datetime, float]] = {}
    wholes: dict[tuple[str, int], dict[datetime, float]] = {}
    for row in run(_category_query(columns, viewed.bucket), [viewed.since, viewed.until]).to_pylist():
        version, place, time, rows = row["version"], row["place"], row["moment"], float(row["rows"])
        whole = wholes.setdefault((version, place), {})
        whole[time] = whole.get(time, 0.0) + rows
        if row["value"] is not None:
            counts.setdefault((version, place, row["value"]), {})[time] = rows
    lines: list[_Line] = []
    for (version, place), whole in wholes.items():
        column = columns[place]
        for value in _largest(column):
            seen, usual = counts.get((version, place, value), {}), column.shares[value]
            points = {time: seen.get(time, 0.0) / rows - usual for time, rows in whole.items() if rows}
            lines.append((_change(points, whole), version, f"{column.name.removeprefix('input.')} {value}", points))
    title, question = "Category shares minus training, by version", "Which value is more frequent?"
    empty, drawn = "No prediction in this range of time.", _largest_changes(lines, viewed)
    return PanelView("categories", title, question, "lines", ("fraction",), drawn, empty=empty)


_Line: TypeAlias = tuple[float, str, str, Mapping[datetime, float]]
"""How far it is from training, its version, its name without it, and its points."""


def _largest_changes(lines: Sequence[_Line], viewed: ViewedRange) -> tuple[ChartLine, ...]:
    """The lines that are farthest from training; of a single version, its name says nothing."""
    one = len({version for _, version, _, _ in lines}) == 1
    kept = sorted(lines, key=lambda line: -line[0])[:MOST_LINES]
    return _drawn([(name if one else f"{version} {name}", points) for _, version, name, points in kept], viewed)


def _by_version(points: Iterable[tuple[tuple[str, datetime], float]]) -> dict[str, dict[datetime, float]]:
    """Points of a version and a time as points of each version."""
    result: dict[str, dict[datetime, float]] = {}
    for (version, time), value in points:
        result.setdefault(version, {})[time] = value
    return result


def _change(points: Mapping[datetime, float], rows: Mapping[datetime, float]) -> float:
    """The largest difference from training; that of few rows counts less, because it is large by chance."""
    return max((abs(value) * rows[time] ** 0.5 for time, value in points.items()), default=0.0)


def _logged(model: WatchedModel, name: str) -> bool:
    """Whether a column is an input whose values are in the log."""
    _, dot, column = name.partition(".")
    return bool(dot) and model.store.columns.types.get(name) == "VARCHAR" and column not in model.hidden


def _largest(column: ColumnReference) -> list[str]:
    """The most frequent values in training."""
    return sorted(column.shares, key=lambda value: -column.shares[value])[:_VALUES]


def _category_query(columns: Sequence[ColumnReference], bucket: int) -> str:
    """The rows of each value by version and time; other values have none. `place` is the number of the column."""
    parts = (
        f"SELECT {place} AS place, version, moment, CASE WHEN {quoted(column.name)} IN ({_texts(_largest(column))}) "
        f"THEN {quoted(column.name)} END AS value, SUM(weight) AS rows FROM shown "
        f"WHERE {quoted(column.name)} IS NOT NULL GROUP BY ALL"
        for place, column in enumerate(columns)
    )
    names = ", ".join(quoted(column.name) for column in columns)
    shown = (
        f"SELECT time_bucket(INTERVAL {bucket} SECONDS, time) AS moment, version, weight, {names} "
        'FROM predictions WHERE "row" IS NOT NULL AND time >= ? AND time < ?'
    )
    return f"WITH shown AS MATERIALIZED ({shown}) {' UNION ALL '.join(parts)}"


def _texts(values: Sequence[str]) -> str:
    return ", ".join(map(literal, values))


def _drawn(
    lines: Sequence[tuple[str, Mapping[datetime, float]]], viewed: ViewedRange, *, dashed: bool = False
) -> tuple[ChartLine, ...]:
    """Lines with a point for each bucket."""
    times = viewed.times
    return tuple(ChartLine(name, tuple((t, points.get(t)) for t in times), dashed) for name, points in lines if points)
