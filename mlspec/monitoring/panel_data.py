"""The panels of the query model with their numbers: from the view `predictions` of the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

import pyarrow as pa

from mlspec.monitoring.duckdb_session import QueryLimits, session
from mlspec.monitoring.monitor_state import ChartLimit, ChartLine, MonitorMetric, PanelView
from mlspec.monitoring.queries import sql
from mlspec.monitoring.queries.dashboard_model import Dashboard, Panel
from mlspec.monitoring.queries.measure import Latest
from mlspec.monitoring.queries.query import Grouping, ModelShape


class RunQuery(Protocol):
    """Runs a statement with its parameters."""

    def __call__(self, text: str, values: Sequence[object] = (), /) -> pa.Table:
        """The result."""


MOST_LINES: Final = 8
"""Lines of a chart; more are summed as `other` where they are counts, and left out where they are not."""
_POINTS: Final = 48
"""About how many points a line has."""
_BUCKETS: Final = (60, 300, 900, 3600, 6 * 3600, 86400, 7 * 86400)
"""Seconds of a point: those that people read."""


@dataclass(frozen=True, slots=True)
class ViewedRange:
    """The range of time that is shown, and the seconds of a point in it."""

    since: datetime
    until: datetime

    @property
    def bucket(self) -> int:
        """The shortest bucket with which a line has no more than about 48 points."""
        seconds = (self.until - self.since).total_seconds()
        return next((size for size in _BUCKETS if seconds / size <= _POINTS), _BUCKETS[-1])

    @property
    def times(self) -> list[datetime]:
        """The beginnings of all buckets."""
        size = self.bucket
        first = datetime.fromtimestamp(self.since.timestamp() // size * size, tz=self.since.tzinfo)
        count = int((self.until - first).total_seconds() // size) + 1
        return [time for index in range(count) if (time := first + timedelta(seconds=index * size)) < self.until]


def panel_views(
    run: RunQuery, dashboard: Dashboard, shape: ModelShape, viewed: ViewedRange, reported: RunQuery
) -> list[PanelView]:
    """All panels of a dashboard, in its order. `run` has the view `predictions`, `reported` the table of that name."""
    return [panel_view(run, panel, shape, viewed, reported) for panel in dashboard.panels]


def panel_view(run: RunQuery, panel: Panel, shape: ModelShape, viewed: ViewedRange, reported: RunQuery) -> PanelView:
    """One panel with its numbers; a chart of reported numbers has none, because an observation is of one moment."""
    query = sql.panel(panel.query, shape, viewed.bucket)
    of_report = any(isinstance(series.measure, Latest) for series in panel.query.series)
    if of_report and panel.chart != "table":
        return PanelView(panel.id, panel.title, panel.question, panel.chart, (), empty=_empty(panel))
    rows = (reported if of_report else run)(query.text, [viewed.since, viewed.until]).to_pylist()
    units = tuple(series.unit for series in query.values)
    limits = tuple(ChartLimit(limit.value, limit.title) for limit in panel.limits)
    empty = _empty(panel)
    if panel.chart in ("number", "table"):
        groups = [grouping.value for grouping in query.groups]
        cells = tuple(
            (
                *("" if row[group] is None else str(row[group]) for group in groups),
                *(_number(row[s.name]) for s in query.values),
            )
            for row in rows
        )
        heads = (*groups, *(series.title for series in query.values))
        return PanelView(panel.id, panel.title, panel.question, panel.chart, units, (), limits, heads, cells, empty)
    lines = _lines(rows, query, viewed, by_input=Grouping.COLUMN in panel.query.by)
    additive = panel.chart in ("stacked", "shares")
    return PanelView(
        panel.id, panel.title, panel.question, panel.chart, units, _most(lines, additive=additive), limits, empty=empty
    )


@contextmanager
def reported_numbers(metrics: Sequence[MonitorMetric], moment: datetime) -> Iterator[RunQuery]:
    """Runs statements on the table `reported`: what one observation has measured, as of a moment."""
    labels = [dict(metric.labels) for metric in metrics]
    columns = {
        name: pa.array([each.get(name) for each in labels], pa.string()) for name in ("version", "label", "metric")
    }
    table = pa.table(
        {
            "name": [metric.name for metric in metrics],
            "time": pa.array([moment] * len(metrics), pa.timestamp("us", "UTC")),
            "value": pa.array([metric.value for metric in metrics], pa.float64()),
            "column": pa.array([each.get("input") for each in labels], pa.string()),
            "slice": pa.array(
                ["=".join((each["slice"], each["value"])) if "slice" in each else None for each in labels], pa.string()
            ),
            **columns,
        }
    )
    with session(QueryLimits()) as connection:
        connection.register("reported", table)
        yield lambda text, values=(): connection.sql(text, params=list(values)).to_arrow_table()


def _empty(panel: Panel) -> str:
    reported = any(isinstance(series.measure, Latest) for series in panel.query.series)
    return "Nothing was reported yet." if reported else "No prediction in this range of time."


def _lines(
    rows: Sequence[Mapping[str, object]], query: sql.SqlQuery, viewed: ViewedRange, *, by_input: bool
) -> list[ChartLine]:
    """One line for each series and group, with a point for each bucket. A series may be an input (`by_input`)."""
    others = [grouping for grouping in query.groups if grouping is not Grouping.TIME]
    values: dict[tuple[str, str], dict[datetime, float | None]] = {}
    for row in rows:
        group = ", ".join(str(row[grouping.value]) for grouping in others if row[grouping.value] is not None)
        time = row[Grouping.TIME.value]
        if not isinstance(time, datetime) or (others and not group):
            continue
        for series in query.values:
            values.setdefault((group, series.name), {})[time] = _number(row[series.name])
    titles = {series.name: series for series in query.values}
    times = viewed.times
    shown = {group for (group, _), points in values.items() if any(value is not None for value in points.values())}

    def named(group: str, title: str) -> str:
        if by_input:  # of a single version, its name says nothing
            return f"{group} {title}" if len(shown) > 1 else title
        return group if group and len(titles) == 1 else f"{group} {title}".strip()

    return [
        ChartLine(named(group, titles[name].title), tuple((time, points.get(time)) for time in times))
        for (group, name), points in values.items()
        if any(value is not None for value in points.values())
    ]


def _most(lines: Sequence[ChartLine], *, additive: bool) -> tuple[ChartLine, ...]:
    """The lines with the largest sums; the rest together as `other` where values can be added."""
    if len(lines) <= MOST_LINES:
        return tuple(lines)
    ordered = sorted(lines, key=lambda line: -sum(value or 0.0 for _, value in line.points))
    if not additive:
        return tuple(ordered[:MOST_LINES])
    kept, rest = ordered[: MOST_LINES - 1], ordered[MOST_LINES - 1 :]
    points = tuple(
        (column[0][0], sum(value or 0.0 for _, value in column))
        for column in zip(*(line.points for line in rest), strict=True)
    )
    return (*kept, ChartLine(f"{len(rest)} others", points))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
