"""The query model in DuckDB's SQL over the view `predictions` of the prediction store, and `reported` for reports.

A statement has two parameters: the first time of its range, and the first time after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, assert_never

from mlspec.monitoring.queries.alerts import Alert
from mlspec.monitoring.queries.by_input import expanded
from mlspec.monitoring.queries.measure import (
    UNROUTED,
    Count,
    Counted,
    Latest,
    Mean,
    Measure,
    Percentile,
    Rate,
    Statuses,
)
from mlspec.monitoring.queries.query import Grouping, ModelShape, Query, Series

_COLUMNS: Final = {"latency": "latency_ms", "score": "score", "value": "value"}
_REQUEST: Final = f'("row" IS NULL OR "row" = 0) AND status NOT IN ({", ".join(map(str, UNROUTED))})'
"""A request is counted at its first row, and at its only record if it was not answered."""
LAST_REQUEST: Final = f"SELECT MAX(time) AS last FROM predictions WHERE {_REQUEST} AND time >= ? AND time < ?"
"""The time of the newest request, in the column `last`."""
_REQUESTS_OF_VERSION: Final = (
    f"SELECT *, {_REQUEST} AS request FROM predictions WHERE time >= ? AND time < ? AND version = ?"
)


@dataclass(frozen=True, slots=True)
class SqlQuery:
    """A statement, the columns of its result that groups are in, and those with the values of its series."""

    text: str
    groups: tuple[Grouping, ...]
    values: tuple[Series, ...]


def panel(query: Query, shape: ModelShape, bucket: int = 3600) -> SqlQuery:
    """The query of a panel, with one group for each `bucket` seconds if it is grouped by time."""
    wide = expanded(query, shape)
    if any(isinstance(s.measure, Latest) for s in wide.series):
        return SqlQuery(_reports(wide, bucket), wide.by, wide.series)
    return SqlQuery(_statement(wide, shape, bucket), wide.by, wide.series)


def rule(alert: Alert, shape: ModelShape) -> str:
    """The query of an alert: every row of the result is an alert of its group, with the column `measured`."""
    if alert.silence:
        query = Query((Series("measured", alert.title, Count(alert.enough)),))
        return f"SELECT * FROM ({_statement(query, shape, 0)}) WHERE measured {alert.bound}"
    enough = Series("enough", "", Count(alert.enough))
    wide = expanded(Query((enough, Series("measured", alert.title, alert.measure)), alert.by), shape)
    values = [s for s in wide.series if s is not enough]
    groups = "".join(f'"{grouping.value}", ' for grouping in wide.by)
    rows = " UNION ALL ".join(_exceeding(alert, groups, s) for s in values)
    return f"WITH measures AS ({_statement(wide, shape, 0)}) {rows}"


def stretches(alert: Alert, shape: ModelShape, column: str) -> str:
    """Each stretch of time of the length of the alert's window in which one version had enough requests: its beginning
    in `time`, and in `violates` whether the condition held. Parameters: the range of time and the version."""
    measure = replace(alert.measure, column=column) if isinstance(alert.measure, Rate) and column else alert.measure
    series = (Series("enough", "", Count(alert.enough)), Series("measured", alert.title, measure))
    inner = _statement(Query(series, (Grouping.TIME, Grouping.VERSION)), shape, alert.window)
    return (
        f"SELECT time, measured {alert.bound} AS violates FROM ({inner}) "
        f"WHERE version = ? AND enough >= {alert.least} AND measured IS NOT NULL ORDER BY time"
    )


def beginning(alert: Alert, shape: ModelShape, column: str) -> str:
    """The time of the first record that an alert is about, in the column `first`. Parameters: those of `showing`."""
    shown = "request"
    if isinstance(alert.measure, Rate):
        shown = condition(alert.measure.part, shape, column or alert.measure.column)
    elif isinstance(alert.measure, Percentile):
        shown = f"request AND {_COLUMNS[alert.measure.quantity]} {alert.bound}"
    return f"SELECT MIN(time) AS first FROM ({_REQUESTS_OF_VERSION}) WHERE {shown}"


def showing(alert: Alert, shape: ModelShape, column: str, limit: int) -> str | None:
    """The newest records that an alert is about, of one version; `column` is its input. Parameters: the range of time
    and the version. None where no record can show it."""
    if alert.silence:
        return None
    order, shown = "time", "request"
    if isinstance(alert.measure, Rate):
        shown = condition(alert.measure.part, shape, column or alert.measure.column)
    elif isinstance(alert.measure, Percentile):
        order = _COLUMNS[alert.measure.quantity]
    return f"SELECT * FROM ({_REQUESTS_OF_VERSION}) WHERE {shown} ORDER BY {order} DESC, id LIMIT {limit}"


def ordered(percentile: Percentile, positions: Sequence[int]) -> str:
    """The values of a version at these positions, from 1, in ascending order; without positions their number.
    Parameters: the range of time and the version."""
    column = _COLUMNS[percentile.quantity]
    request = f"{_REQUEST} AND " if percentile.quantity == "latency" else ""
    records = f"FROM predictions WHERE {request}{column} IS NOT NULL AND time >= ? AND time < ? AND version = ?"
    if not positions:
        return f"SELECT COUNT(*) AS value {records}"
    selected = f"ROW_NUMBER() OVER (ORDER BY {column}) IN ({', '.join(map(str, positions))})"
    return f"SELECT {column} AS value {records} QUALIFY {selected} ORDER BY {column}"


def name(text: str) -> str:
    """A quoted identifier."""
    return '"' + text.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("'", "''") + "'"


def _exceeding(alert: Alert, groups: str, series: Series) -> str:
    column = series.measure.column if isinstance(series.measure, Rate) else ""
    input = f'{literal(column)} AS "column", ' if column else ""
    condition = f"enough >= {alert.least} AND {name(series.name)} {alert.bound}"
    return f"SELECT {groups}{input}enough, {name(series.name)} AS measured FROM measures WHERE {condition}"


def _statement(query: Query, shape: ModelShape, bucket: int) -> str:
    groups = [f'{_group(grouping, bucket)} AS "{grouping.value}"' for grouping in query.by]
    values = [f"{_value(s.measure, shape)} AS {name(s.name)}" for s in query.series]
    by = " GROUP BY ALL ORDER BY ALL" if groups else ""
    return f"{_records(query, bucket)}SELECT {', '.join([*groups, *values])} FROM records{by}"


def _records(query: Query, bucket: int) -> str:
    """The records of the time range, with the ranks that the percentiles need."""
    columns = ["*", f"{_REQUEST} AS request"]
    ranges = "FROM predictions WHERE time >= ? AND time < ?"
    inner = f"SELECT {', '.join(columns)} {ranges}"
    ranked = sorted({s.measure.quantity for s in query.series if isinstance(s.measure, Percentile)})
    if not ranked:
        return f"WITH records AS ({inner}) "
    groups = ", ".join(_group(grouping, bucket) for grouping in query.by)
    ranks = ", ".join(_rank(_COLUMNS[quantity], groups) for quantity in ranked)
    return f"WITH records AS (SELECT *, {ranks} FROM ({inner})) "


def _rank(column: str, groups: str) -> str:
    """The fraction of the weight that has at most this value."""
    weight = "CASE WHEN request THEN weight ELSE 0 END" if column == "latency_ms" else _present(column)
    partition = f"PARTITION BY {groups} " if groups else ""
    upto = f"SUM({weight}) OVER ({partition}ORDER BY {column})"
    return f"{upto} / NULLIF(SUM({weight}) OVER ({partition.strip()}), 0) AS rank_{column}"


def _present(column: str) -> str:
    return f"CASE WHEN {column} IS NULL THEN 0 ELSE weight END"


def _group(grouping: Grouping, bucket: int) -> str:
    if grouping is Grouping.TIME:
        return f"time_bucket(INTERVAL {bucket} SECONDS, time)"
    return {
        Grouping.VERSION: "version",
        Grouping.LABEL: "label",
        Grouping.COLUMN: '"column"',
        Grouping.METRIC: "metric",
        Grouping.SLICE: "slice",
    }[grouping]


def _value(measure: Measure, shape: ModelShape) -> str:
    match measure:
        case Count():
            return _sum(condition(measure.counted, shape))
        case Rate():
            part = _sum(condition(measure.part, shape, measure.column))
            return f"{part} / NULLIF({_sum(condition(measure.whole, shape))}, 0)"
        case Percentile():
            column = _COLUMNS[measure.quantity]
            reached = f"rank_{column} >= {measure.percent / 100:g}"
            return f"MIN({column}) FILTER (WHERE {reached}{_of(measure.quantity)})"
        case Mean():
            column = _COLUMNS[measure.quantity]
            keep = f"FILTER (WHERE {column} IS NOT NULL{_of(measure.quantity)})"
            return f"SUM({column} * weight) {keep} / SUM(weight) {keep}"
        case Latest():
            raise ValueError("a report is not in the view of the predictions")
        case _:
            assert_never(measure)


def _of(quantity: str) -> str:
    return " AND request" if quantity == "latency" else ""


def _sum(condition: str) -> str:
    return f"COALESCE(SUM(weight) FILTER (WHERE {condition}), 0)"


def condition(counted: Counted, shape: ModelShape, column: str = "") -> str:
    """The condition of the records that count; `column` is the input of `missing` and `unseen`."""
    if counted is Counted.REQUESTS:
        return "request"
    if counted.statuses is not None:
        statuses = " OR ".join(map(_within, counted.statuses))
        return f"request AND ({statuses})"
    return '"row" IS NOT NULL' + "".join(f" AND {more}" for more in _row(counted, shape, column))


def _row(counted: Counted, shape: ModelShape, column: str) -> Iterator[str]:
    if counted is Counted.UNSURE:
        yield f"score < {shape.low_confidence:g}"
    if counted in (Counted.MISSING, Counted.UNSEEN):
        yield f"{name(f'input.{column}')} IS {'' if counted is Counted.MISSING else 'NOT '}NULL"
    if counted is Counted.UNSEEN:
        known = ", ".join(map(literal, shape.values(column)))
        yield f"{name(f'input.{column}')} NOT IN ({known})" if known else "false"


def _within(statuses: Statuses) -> str:
    text = f"status BETWEEN {statuses.low} AND {statuses.high}"
    return text + (f" AND status NOT IN ({', '.join(map(str, statuses.without))})" if statuses.without else "")


def _reports(query: Query, bucket: int) -> str:
    """The numbers of one observation, by group; the largest one of what is not grouped by."""
    groups = [f'{_group(grouping, bucket)} AS "{grouping.value}"' for grouping in query.by]
    largest = "MAX(value) FILTER (WHERE name = {})"
    values = [
        f"{largest.format(literal(s.measure.reported))} AS {name(s.name)}"
        for s in query.series
        if isinstance(s.measure, Latest)
    ]
    by = " GROUP BY ALL ORDER BY ALL" if groups else ""
    names = ", ".join(literal(s.measure.reported) for s in query.series if isinstance(s.measure, Latest))
    where = f"WHERE name IN ({names}) AND time >= ? AND time < ?"
    return f"SELECT {', '.join([*groups, *values])} FROM reported {where}{by}"
