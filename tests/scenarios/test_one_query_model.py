"""One query model: SQL over the prediction log, PromQL over the server's metrics and ES|QL over the documents give the
same numbers for the same predictions.

The counters are those of the server, fed with the same requests, in a real Prometheus. No engine runs ES|QL outside of
Elasticsearch, so its pipe is translated to SQL over a table of documents, stage by stage.
"""

from __future__ import annotations

import random
import re
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from mlspec.monitoring.monitor_metrics import metrics_text
from mlspec.monitoring.panel_data import reported_numbers
from mlspec.monitoring.queries import esql, promql, sql
from mlspec.monitoring.queries.alerts import Alert, alerts
from mlspec.monitoring.queries.dashboard_model import dashboard
from mlspec.monitoring.queries.measure import Latest, Percentile
from mlspec.monitoring.queries.query import Grouping, ModelShape, Query
from mlspec.parts.monitor.prometheus_rules import RuleGroup, RuleOptions, group
from mlspec.runtime.contract import Contract
from mlspec.runtime.counters import Counters
from mlspec.runtime.log_counts import SCORES, LogCounts
from mlspec.runtime.prediction_record import AnsweredRequest
from mlspec.sections.monitor_alerts import Alerts
from tests.esql_as_sql import create, flat, translated
from tests.monitoring.incidents_store import incidents, incidents_model
from tests.monitoring.prometheus_servers import Api, prometheus, promtool

INPUTS = {"age": "number", "town": "category"}
LABELS = ("no", "yes")
KNOWN = {"town": frozenset({"Bonn", "Oslo"})}
SHAPE = ModelShape("toy", "classification", tuple(INPUTS.items()), LABELS, 0.5, (("town", ("Bonn", "Oslo")),))
OPTIONS = Alerts(
    error_rate="> 0.1", refused_rate="> 0.02", timeout_rate="> 0.02", throttled_rate="> 0.02", p95_ms="> 250",
    unsure_rate="> 0.25", missing_rate="> 0.2", unseen_rate="> 0.2", silence="5m", window="5m",
)  # fmt: skip
STATUSES = (200, 200, 200, 200, 200, 200, 200, 404, 422, 408, 429, 499, 500, 503, 504)
WINDOW = 300
SAMPLES = 60
START = datetime.fromtimestamp(int(time.time()) // 60 * 60 - 2 * WINDOW, UTC)
END = START + timedelta(seconds=WINDOW)


def requests(version: str, count: int, bad: int) -> Iterator[AnsweredRequest]:
    """Requests of up to three rows; the first `bad` of the statuses are errors more often."""
    draw = random.Random(version)
    for number in range(count):
        at = START.timestamp() + 1 + number * (WINDOW - 2) / count
        status = draw.choice(STATUSES[-bad:] if draw.random() < 0.3 else STATUSES[:-bad])
        rows = [
            {"age": draw.choice([None, 1.0, 2.0, 3.0]), "town": draw.choice(["Bonn", "Oslo", "Rome", None])}
            for _ in range(draw.randint(1, 3) if status == 200 else 0)
        ]
        scores = [draw.choice([0.05, 0.35, 0.55, 0.72, 0.93, 0.999]) for _ in rows]
        predictions = [{"label": draw.choice(LABELS), "score": score} for score in scores]
        seconds = draw.choice([0.002, 0.03, 0.04, 0.07, 0.2, 0.4 if version == "2" else 0.08])
        route = "other" if status == 404 else "/predict"
        yield AnsweredRequest(at, f"{version}-{number}", route, status, None, seconds, rows, predictions)


TRAFFIC = {"1": list(requests("1", 400, 2)), "2": list(requests("2", 150, 8))}


@dataclass(frozen=True)
class Stores:
    """The same predictions in three stores."""

    table: duckdb.DuckDBPyConnection
    metrics: Api


def records() -> Iterator[dict[str, Any]]:
    """One record for each row, or for a request without rows."""
    for version, answered in TRAFFIC.items():
        for request in answered:
            common = {"time": datetime.fromtimestamp(request.time, UTC), "version": version, "status": request.status,
                      "latency_ms": request.seconds * 1000, "weight": 1.0}  # fmt: skip
            empty = {"row": None, "input.age": None, "input.town": None, "label": None, "score": None, "value": None}
            if not request.rows:
                yield {**common, **empty}
            for index, (row, prediction) in enumerate(zip(request.rows, request.predictions, strict=True)):
                yield {**common, **empty, "row": index, **{f"input.{k}": v for k, v in row.items()}, **prediction}


def document(record: Mapping[str, Any]) -> dict[str, Any]:
    """The document of Elasticsearch for a record."""
    row, town = record["row"] is not None, record["input.town"]
    return {
        "@timestamp": record["time"],
        "service.version": record["version"],
        "http.response.status_code": record["status"],
        "event.duration": record["latency_ms"] * 1e6,
        "prediction.weight": record["weight"],
        "prediction.row": record["row"],
        "prediction.label": record["label"],
        "prediction.score": record["score"],
        "prediction.unsure": int(record["score"] < SHAPE.low_confidence) if row else None,
        "missing.age": int(row and record["input.age"] is None),
        "missing.town": int(row and town is None),
        "unseen.town": int(row and town is not None and town not in KNOWN["town"]),
    }


def samples() -> str:
    """The metrics of the server in OpenMetrics, growing linearly from 0 to their value at the end."""
    lines = []
    for version, answered in TRAFFIC.items():
        contract = Contract("toy", version, INPUTS, LABELS)
        counters, observed = Counters("toy", version), LogCounts(contract, KNOWN, SHAPE.low_confidence)
        for request in answered:
            counters.began()
            counters.predicted([str(p["label"]) for p in request.predictions], len(request.rows))
            counters.ended(request.route, request.status, request.seconds)
        rows = [row for request in answered for row in request.rows]
        scores = [p["score"] for request in answered for p in request.predictions if "score" in p]
        observed.observe(rows, scores)
        lines += [line for line in (counters.text() + observed.text()).splitlines() if not line.startswith("#")]
    parsed = (line.rpartition(" ") for line in lines)
    at = [(START.timestamp() + index * WINDOW / SAMPLES, index / SAMPLES) for index in range(SAMPLES + 1)]
    larger = (f"{series} {float(value) * part} {when}" for series, _, value in parsed for when, part in at)
    return "\n".join([*larger, *reported_samples(), "# EOF", ""])


def reported_samples() -> list[str]:
    """The gauges of one observation, as of the end."""
    lines = [line for line in metrics_text(incidents().state.metrics).splitlines() if not line.startswith("#")]
    return [f"{line} {END.timestamp()}" for line in lines]


def reported_documents() -> list[dict[str, Any]]:
    """The documents of the same observation."""
    documents = [report.document("shop", END) for report in incidents().reports]
    return flat([document | {"@timestamp": END} for document in documents])


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    folder = tmp_path_factory.mktemp("stores")
    (folder / "metrics.txt").write_text(samples())
    done = promtool("tsdb", "create-blocks-from", "openmetrics", "metrics.txt", "tsdb", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "prometheus.yml").write_text("{}\n")
    connection, rows = duckdb.connect(), list(records())
    create(connection, "predictions", rows)
    create(connection, "documents", [document(row) for row in rows])
    create(connection, "reports", reported_documents())
    with prometheus(folder / "prometheus.yml", folder) as metrics:
        yield Stores(connection, metrics)


Numbers = dict[tuple[str, ...], float]
"""Values by the name of the series and the values of its groups."""


def by_sql(stores: Stores, query: Query) -> Numbers:
    rendered = sql.panel(query, SHAPE)
    return _numbers(stores.table.execute(rendered.text, [START, END]), len(rendered.groups))


def by_esql(stores: Stores, query: Query) -> Numbers:
    rendered = esql.panel(query, SHAPE, "documents")
    return _numbers(stores.table.execute(translated(rendered.text)), len(rendered.groups))


def _numbers(result: duckdb.DuckDBPyConnection, groups: int) -> Numbers:
    names = [column[0] for column in result.description or ()][groups:]
    return {
        (name, *map(str, row[:groups])): float(value)
        for row in result.fetchall()
        for name, value in zip(names, row[groups:], strict=True)
        if value is not None and None not in row[:groups]
    }


def by_promql(stores: Stores, query: Query) -> Numbers:
    scope, actual = promql.Scope("toy", f"{WINDOW}s"), {}
    for series in query.series:
        expr = promql.expression(series.measure, query.by, scope)
        assert expr
        for element in stores.metrics.query(expr, time=str(END.timestamp())):
            labels, value = element["metric"], float(element["value"][1])
            groups = [labels[promql.LABELS[g]] for g in query.by if g is not Grouping.COLUMN]
            name = f"{series.name} {labels['input']}" if Grouping.COLUMN in query.by else series.name
            actual[name, *groups] = value
    return actual


PANELS = {
    panel.id: panel.query._replace(by=tuple(g for g in panel.query.by if g is not Grouping.TIME))
    for panel in dashboard(SHAPE, (), "toy", "").panels
    if not any(isinstance(s.measure, Latest) for s in panel.query.series)
}


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_has_the_same_numbers_in_every_store(panel: str, stores: Stores) -> None:
    query = PANELS[panel]
    ours, documents, metrics = by_sql(stores, query), by_esql(stores, query), by_promql(stores, query)
    assert ours
    assert documents == pytest.approx(ours)
    percentiles = {s.name for s in query.series if isinstance(s.measure, Percentile)}
    per_second = {s.name for s in query.series if s.unit == "per_second"}
    assert metrics.keys() == ours.keys()
    for key, value in ours.items():
        if key[0] in percentiles:
            assert bucket(metrics[key], panel) == bucket(value, panel), key
        else:
            assert metrics[key] == pytest.approx(value / WINDOW if key[0] in per_second else value, abs=1e-6), key


def bucket(value: float, panel: str) -> int:
    """The bucket of the histogram that a value is in; an interpolated percentile is exact up to its bucket."""
    bounds = SCORES if panel == "confidence" else [bound * 1000 for bound in promql.SECOND_BUCKETS]
    return bisect_left(bounds, value - 1e-9)


REPORTED = {
    panel.id: panel
    for panel in dashboard(incidents_model().shape, (), "shop", "").panels
    if any(isinstance(s.measure, Latest) for s in panel.query.series)
}


@pytest.mark.parametrize("name", REPORTED)
def test_a_panel_of_what_is_reported_has_the_same_numbers_everywhere(name: str, stores: Stores) -> None:
    """Measured and expected quality with their intervals, the labelled share, and the evidence of drift."""
    panel = REPORTED[name]
    groups = tuple(g for g in panel.query.by if g is not Grouping.TIME)
    query = panel.query._replace(by=groups)
    state = incidents().state
    with reported_numbers(state.metrics, END) as run:
        rendered = sql.panel(query, SHAPE)
        table = run(rendered.text, [START, END + timedelta(seconds=1)]).to_pylist()
    ours = {
        (s.name, *(str(row[g.value]) for g in groups)): row[s.name]
        for row in table
        for s in query.series
        if row[s.name] is not None
    }
    assert len(ours) >= len(query.series)
    metrics: Numbers = {}
    for series in query.series:
        expr = promql.expression(series.measure, groups, promql.Scope("shop", "5m"))
        for element in stores.metrics.query(str(expr), time=str(END.timestamp())):
            labels = [element["metric"].get(promql.LABELS[g], "None") for g in groups]
            metrics[series.name, *labels] = float(element["value"][1])
    assert metrics == pytest.approx(ours)
    text = esql.panel(query, SHAPE, "reports").text
    result = stores.table.execute(translated(text))
    names = [column[0] for column in result.description or ()]
    documents: Numbers = {}
    for row in (dict(zip(names, each, strict=True)) for each in result.fetchall()):
        key = [str(row[g.value]) for g in groups]
        documents |= {(s.name, *key): row[s.name] for s in query.series if row[s.name] is not None}
    assert documents == pytest.approx(ours)
    if panel.chart == "table":
        (shown,) = [view for view in state.panels if view.id == name]
        cells = {tuple(row[0].split()): row[1:] for row in shown.cells}  # type: ignore[union-attr]
        assert ours == pytest.approx(
            {
                (s.name, *(*key, *["None"] * len(groups))[: len(groups)]): value
                for key, row in cells.items()
                for s, value in zip(query.series, row, strict=True)
                if value is not None
            }
        )


ALERTS = {alert.name: alert for alert in alerts(OPTIONS, SHAPE)}


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_fires_for_the_same_groups_in_every_store(name: str, stores: Stores) -> None:
    alert = ALERTS[name]
    table = stores.table.execute(sql.rule(alert, SHAPE), [START, END])
    columns = [column[0] for column in table.description or ()]
    fired = {tuple(str(row[columns.index(c)]) for c in ("version", "column") if c in columns)
             for row in table.fetchall()}  # fmt: skip
    assert fired == by_rule_of_prometheus(stores, alert)
    versions = {
        str(row[0]) for row in stores.table.execute(translated(esql.rule(alert, SHAPE, "documents"))).fetchall()
    }
    assert versions == {group[0] for group in fired}
    assert bool(fired) == (name != "silence")


def by_rule_of_prometheus(stores: Stores, alert: Alert) -> set[tuple[str, ...]]:
    (measured, enough, rule) = _rules(group([alert], RuleOptions("toy", "toy", 60, 0)))
    expr = rule.partition(" and on")[0]
    bound = expr[expr.index("}") + 1 :]
    whole = f"({measured}){bound}" + (f" and on (version) ({enough}) >= {alert.least}" if enough else "")
    result = stores.metrics.query(whole, time=str(END.timestamp()))
    labels = ("version", "input")
    return {tuple(each["metric"][key] for key in labels if key in each["metric"]) for each in result}


def _rules(group: RuleGroup) -> tuple[str, str, str]:
    *enough, measured = [rule.expr for rule in group.recording]
    return measured, "".join(enough), group.alerting[0].expr


def test_the_documents_have_every_field_of_the_queries() -> None:
    known = set(document(next(iter(records()))))
    for query in PANELS.values():
        text = esql.panel(query, SHAPE, "documents").text
        assert set(re.findall(r"@timestamp|\b[a-z]+(?:\.[a-z_]+)+\b", text)) <= known, text
