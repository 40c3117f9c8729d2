"""The query model in ES|QL, for Kibana's panels and alert rules.

The documents have ECS fields where ECS has them. `prediction.weight` is how many records a stored one stands for;
`prediction.row` is the position of a row in its request, absent if the request was not answered. `missing.NAME` and
`unseen.NAME` are 1 where the input NAME of the row is missing or unseen, and may be absent elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, assert_never

from mlspec.monitoring.queries.alerts import Alert
from mlspec.monitoring.queries.by_input import FLAGS, expanded
from mlspec.monitoring.queries.measure import (
    UNROUTED,
    Count,
    Counted,
    Latest,
    Mean,
    Measure,
    Percentile,
    Quantity,
    Rate,
    Statuses,
)
from mlspec.monitoring.queries.query import Grouping, ModelShape, Query, Series

TIME: Final = "@timestamp"
STATUS: Final = "http.response.status_code"
WEIGHT: Final = "prediction.weight"
ROW: Final = "prediction.row"
VERSION: Final = "service.version"
UNSURE: Final = "prediction.unsure"
_GROUPS: Final = {
    Grouping.TIME: f"BUCKET({TIME}, 50, ?_tstart, ?_tend)",
    Grouping.VERSION: VERSION,
    Grouping.LABEL: "prediction.label",
    Grouping.COLUMN: "monitor.column",
    Grouping.METRIC: "monitor.metric",
    Grouping.SLICE: "monitor.slice",
}
_LINE: Final = "line"
_LIMIT: Final = "LIMIT 10000"
"""The most that Elasticsearch returns; without a limit it returns 1,000 rows, and a chart would end before its time.
https://www.elastic.co/docs/reference/query-languages/esql/commands/limit"""
_BETWEEN: Final = '";"'
_REPORT_LABEL: Final = "monitor.label"
_QUANTITIES: Final[dict[Quantity, str]] = {
    "latency": "event.duration / 1000000.0",
    "score": "prediction.score",
    "value": "prediction.value",
}
_ROUTED: Final = f"{STATUS} NOT IN ({', '.join(map(str, UNROUTED))})"
_NAMED: Final = f"EVAL status = {STATUS}, request = ({ROW} IS NULL OR {ROW} == 0) AND {_ROUTED}"
"""A request is counted at its first row, and at its only record if it was not answered."""
_RANGE: Final = f"WHERE {TIME} >= ?_tstart AND {TIME} <= ?_tend"
"""Kibana fills in the time range of the dashboard."""
_BEGAN: Final = 'WHERE DATE_DIFF("second", ?_tstart, deployed) * 50 > DATE_DIFF("second", ?_tstart, ?_tend)'
"""After the first of the 50 stretches of time of a chart."""
_PLAIN: Final = re.compile(r"[a-z_][a-z0-9_]*")


class EsqlQuery(NamedTuple):
    """A query, the columns of its result that groups are in, and those with the values of its series."""

    text: str
    groups: tuple[str, ...]
    values: tuple[Series, ...]
    breakdown: str = ""
    """The column by which a chart over time is broken down: of several groups their names together."""


def panel(query: Query, shape: ModelShape, stream: str) -> EsqlQuery:
    """The query of a panel over the time range of the dashboard."""
    wide = expanded(query, shape)
    series, by = wide.series, wide.by
    reported = [s.measure for s in series if isinstance(s.measure, Latest)]
    where = [f"WHERE {' OR '.join(f'{_reported(m)} IS NOT NULL' for m in reported)}"] if reported else []
    if reported and Grouping.TIME not in by:
        stages = (_from(stream), _RANGE, *where, *_latest(series, by), _LIMIT)
        return EsqlQuery(" | ".join(stages), (Grouping.TIME, *by), series)
    others = [g.value for g in by if g is not Grouping.TIME] if Grouping.TIME in by else []
    names = ', " ", '.join(others)
    drawn = [f"EVAL {_LINE} = CONCAT({names})"] if len(others) > 1 else []
    sort = ["SORT time DESC", _LIMIT, "SORT time"] if others else ["SORT time"] if Grouping.TIME in by else []
    stages = (_from(stream), _RANGE, *where, *_aggregated(series, by), *drawn, *sort)
    breakdown = _LINE if drawn else "".join(others)
    return EsqlQuery(" | ".join(stages), tuple(by), series, breakdown)


def rule(alert: Alert, shape: ModelShape, stream: str) -> str:
    """The query of an alert rule. Kibana filters by time; every row of the result is an alert of its group."""
    if alert.silence:
        count = f"STATS requests = COUNT(*) WHERE {condition(alert.enough)}"
        return f"{_from(stream)} | {_NAMED} | {count} | WHERE requests {alert.bound}"
    enough = Series(alert.enough.value, "", Count(alert.enough))
    wide = expanded(Query((enough, Series("measured", alert.title, alert.measure)), alert.by), shape)
    measured = [s.name for s in wide.series if s is not enough]
    exceeds = " OR ".join(f"{name(m)} {alert.bound}" for m in measured)
    keep = f"WHERE {alert.enough.value} >= {alert.least} AND {exceeds if len(measured) == 1 else f'({exceeds})'}"
    return " | ".join((_from(stream), *_aggregated(wide.series, wide.by), keep))


def deployments(stream: str) -> str:
    """The stretch of time of the first record of each version, without those that have records from the start on.

    It is one of the chart: a bar is as wide as the smallest distance between two times.
    """
    first = f"STATS deployed = MIN({TIME}) BY version = {VERSION}"
    marked = "STATS deployment = COUNT(*) BY deployed = BUCKET(deployed, 50, ?_tstart, ?_tend), version"
    return f"{_from(stream)} | {_RANGE} | {first} | {_BEGAN} | {marked} | SORT deployed"


def name(text: str) -> str:
    """An identifier, quoted if it is not a plain one (https://www.elastic.co/docs/reference/query-languages/esql)."""
    return text if _PLAIN.fullmatch(text) else f"`{text.replace('`', '``')}`"


def _field(path: str) -> str:
    return ".".join(map(name, path.split(".")))


def _from(stream: str) -> str:
    return f"FROM {stream}" if re.fullmatch(r"[a-z0-9][a-z0-9._*-]*", stream) else f'FROM "{stream}"'


def _aggregated(series: Sequence[Series], by: Sequence[Grouping]) -> Iterator[str]:
    """Counts and other aggregations of STATS, then rates as their quotients."""
    rates = {s.name: s.measure for s in series if isinstance(s.measure, Rate)}
    counts = {_counted(c, m.column): (c, m.column) for m in rates.values() for c in (m.part, m.whole)}
    stats = [f"{key} = {_count(c, column if c in FLAGS else '')}" for key, (c, column) in counts.items()]
    stats += [f"{name(s.name)} = {_aggregation(s.measure)}" for s in series if s.name not in rates]
    only = all(isinstance(s.measure, Latest) for s in series)
    groups = ", ".join(_group(grouping, reported=only) for grouping in by)
    aggregated = f"STATS {', '.join(dict.fromkeys(stats))}{' BY ' if by else ''}{groups}"
    if re.search(r"\b(request|status)\b", aggregated):
        yield _NAMED
    yield aggregated
    if rates:
        quotients = (f"{name(n)} = {_quotient(m)}" for n, m in rates.items())
        yield f"EVAL {', '.join(quotients)}"
        yield "KEEP " + ", ".join([*(grouping.value for grouping in by), *(name(s.name) for s in series)])


def _latest(series: Sequence[Series], by: Sequence[Grouping]) -> Iterator[str]:
    """The latest report of each group. ES|QL before 9.3 has no latest value, but that of a text which begins with the
    time is its largest; MAX takes a text since 8.16 (https://github.com/elastic/elasticsearch/pull/111544)."""
    values = {s.name: _reported(s.measure) for s in series if isinstance(s.measure, Latest)}
    texts = (f'COALESCE(TO_STRING({field}), "")' for field in values.values())
    joined = f"CONCAT(TO_STRING(TO_LONG({TIME})), {', '.join(text for each in texts for text in (_BETWEEN, each))})"
    yield f"EVAL report = {joined}"
    yield f"STATS newest = MAX(report) BY {', '.join(_group(grouping, reported=True) for grouping in by)}"
    yield f'DISSECT newest "%{{millis}};{";".join(f"%{{text_{n}}}" for n in values)}"'
    numbers = (f"{name(n)} = TO_DOUBLE({name(f'text_{n}')})" for n in values)
    yield f"EVAL time = TO_DATETIME(TO_LONG(millis)), {', '.join(numbers)}"
    yield f"KEEP time, {', '.join(by)}, {', '.join(map(name, values))}"
    yield f"SORT {', '.join(by)}"


def _group(grouping: Grouping, *, reported: bool) -> str:
    return f"{grouping.value} = {_REPORT_LABEL if reported and grouping is Grouping.LABEL else _GROUPS[grouping]}"


def _counted(counted: Counted, column: str) -> str:
    return name(f"n_{counted.value}_{column}" if counted in FLAGS else f"n_{counted.value}")


def _quotient(rate: Rate) -> str:
    """Null if nothing was counted: no traffic is not zero errors."""
    return f"COALESCE({_counted(rate.part, rate.column)}, 0) / {_counted(rate.whole, rate.column)}"


def _aggregation(measure: Measure) -> str:
    match measure:
        case Count():
            return _count(measure.counted, "")
        case Percentile():
            return f"PERCENTILE({_QUANTITIES[measure.quantity]}, {measure.percent}){_of(measure.quantity)}"
        case Mean():
            return f"AVG({_QUANTITIES[measure.quantity]}){_of(measure.quantity)}"
        case Latest():
            # Of several reports in one stretch of time: the strongest evidence, and the mean of a quality.
            function = "MAX" if measure.reported in ("drift_evidence", "drift_share") else "AVG"
            return f"{function}({_reported(measure)})"
        case Rate():
            raise ValueError("a rate is a quotient of two counts")
        case _:
            assert_never(measure)


def _of(quantity: Quantity) -> str:
    """A latency belongs to the request, so it counts once for all its rows."""
    return f" WHERE {condition(Counted.REQUESTS)}" if quantity == "latency" else ""


def _count(counted: Counted, column: str) -> str:
    return f"SUM({WEIGHT}) WHERE {condition(counted, column)}"


def condition(counted: Counted, column: str = "") -> str:
    """The condition of the records that count; `column` is the input of `missing` and `unseen`."""
    if counted is Counted.REQUESTS:
        return "request"
    if counted.statuses is not None:
        statuses = " OR ".join(map(_within, counted.statuses))
        return f"request AND {statuses if len(counted.statuses) == 1 else f'({statuses})'}"
    if counted in FLAGS:
        return f"{_field(f'{FLAGS[counted]}.{column}')} == 1"
    return f"{UNSURE} == 1" if counted is Counted.UNSURE else f"{ROW} IS NOT NULL"


def _within(statuses: Statuses) -> str:
    if statuses.low == statuses.high:
        return f"status == {statuses.low}"
    text = f"status >= {statuses.low} AND status <= {statuses.high}"
    return text + (f" AND status NOT IN ({', '.join(map(str, statuses.without))})" if statuses.without else "")


def _reported(measure: Latest) -> str:
    return f"monitor.{measure.reported}"
