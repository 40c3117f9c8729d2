"""Panels of the dashboard as layers of ES|QL, shared by the dashboards API and by saved objects. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from mlspec.monitoring.queries import esql
from mlspec.monitoring.queries.dashboard_model import Dashboard, Limit, Panel
from mlspec.monitoring.queries.measure import Count, Latest, Unit
from mlspec.monitoring.queries.query import Grouping, ModelShape, Series

Shape = Literal["line", "bar_stacked", "bar_percentage"]
_SHAPES: Final[dict[str, Shape]] = {"lines": "line", "stacked": "bar_stacked", "shares": "bar_percentage"}
VERSION: Final = "service.version"
"""The field that the dashboard's control filters by."""


class ChartValue(NamedTuple):
    """One value of a layer: its column in the result of the query, what a person calls it, and its unit."""

    column: str
    label: str
    unit: Unit


class ChartLayer(NamedTuple):
    """One query and how its result is drawn; `second` has an axis of its own."""

    id: str
    query: str
    shape: Shape
    x: str
    values: tuple[ChartValue, ...]
    breakdown: str = ""
    second: bool = False


class DashboardSource(NamedTuple):
    """What the panels of a project are made of: `stream` has predictions, `reports` what `mlspec monitor` reports."""

    dashboard: Dashboard
    shape: ModelShape
    stream: str
    reports: str
    tags: tuple[str, ...] = ()

    def query(self, panel: Panel) -> esql.EsqlQuery:
        """The query of a panel, over the stream that has its numbers."""
        reported = all(isinstance(series.measure, Latest) for series in panel.query.series)
        return esql.panel(panel.query, self.shape, self.reports if reported else self.stream)

    def layers(self, panel: Panel) -> tuple[ChartLayer, ...]:
        """A chart over time: its lines or bars, a line for each limit of an alert, and a bar for each deployment.

        Kibana's own annotations are the results of a filter, which cannot find the first request of a version.
        """
        query = self.query(panel)
        shape = _SHAPES[panel.chart]
        drawn = ChartLayer("data", query.text, shape, Grouping.TIME.value, values(query), query.breakdown)
        marks = [self._deployments()] if self.dashboard.deployments else []
        return (drawn, *self._limits(panel), *marks)

    def _limits(self, panel: Panel) -> Iterator[ChartLayer]:
        for limit in panel.limits:
            yield ChartLayer(
                f"limit-{limit.alert}", _constant(self.stream, limit), "line", "time", (_limit(panel, limit),)
            )

    def _deployments(self) -> ChartLayer:
        value = ChartValue("deployment", "First request of a version", "count")
        query = esql.deployments(self.stream)
        return ChartLayer("deployments", query, "bar_stacked", "deployed", (value,), "version", second=True)


def values(query: esql.EsqlQuery) -> tuple[ChartValue, ...]:
    """The values in the result of a query."""
    return tuple(ChartValue(series.name, label(series), unit(series)) for series in query.values)


def label(series: Series) -> str:
    """What a person calls a series. ES|QL counts in each stretch of time, not in each second."""
    return "Requests" if _per_second(series) else series.title


def unit(series: Series) -> Unit:
    """The unit of a series in ES|QL."""
    return "count" if _per_second(series) else series.unit


def _per_second(series: Series) -> bool:
    return isinstance(series.measure, Count) and series.measure.per_second


def _limit(panel: Panel, limit: Limit) -> ChartValue:
    return ChartValue("limit", f"Alert: {limit.title}", panel.query.series[0].unit)


def _constant(stream: str, limit: Limit) -> str:
    """The limit at both ends of the time range. A count of all documents has a row where there are none, too."""
    ends = 'EVAL place = SPLIT("start,end", ",") | MV_EXPAND place'
    time = 'time = CASE(place == "start", TO_DATETIME(?_tstart), TO_DATETIME(?_tend))'
    limits = f"EVAL {time}, limit = {limit.value:.15g}"
    return f"FROM {stream} | STATS documents = COUNT(*) | {ends} | {limits} | KEEP time, limit | SORT time"


def shown_limit(panel: Panel) -> str:
    """The limit of an alert in words, for a panel that is a single number; "" without one."""
    if not panel.limits:
        return ""
    value, kind = panel.limits[0].value, panel.query.series[0].unit
    return f"alert at {value * 100:g} %" if kind == "fraction" else f"alert at {value:g}{_SUFFIXES.get(kind, '')}"


_SUFFIXES: Final[dict[Unit, str]] = {"milliseconds": " ms", "per_second": "/s"}
