"""One query model: SQL over the prediction log, PromQL over the server's metrics and ES|QL over the documents give the
same numbers for the same predictions.

For models of tables, texts and images, and with hidden inputs. The log lines, the documents and the counters are those
of the runtime, of the same requests; the counters are in a real Prometheus. No engine runs ES|QL outside of
Elasticsearch, so its pipe is translated to SQL over a table of documents, stage by stage.
"""

from __future__ import annotations

import random
import re
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import Any

import duckdb
import pytest

from mlspec.monitoring.monitor_metrics import metrics_text
from mlspec.monitoring.panel_data import reported_numbers
from mlspec.monitoring.prediction_store import PredictionStore
from mlspec.monitoring.queries import esql, promql, sql
from mlspec.monitoring.queries.alerts import Alert, alerts
from mlspec.monitoring.queries.dashboard_model import dashboard
from mlspec.monitoring.queries.measure import Counted, Latest, Measure, Percentile, Rate
from mlspec.monitoring.queries.query import Grouping, ModelShape, Query
from mlspec.parts.monitor.prometheus_rules import RuleGroup, RuleOptions, group
from mlspec.records.bundle_signature import BundleSignature, SignatureInput
from mlspec.runtime.contract import Contract
from mlspec.runtime.contract import Kind as InputKind
from mlspec.runtime.counters import Counters
from mlspec.runtime.elastic_document import document
from mlspec.runtime.log_counts import SCORES, LogCounts
from mlspec.runtime.log_policy import LogPolicy, Storage
from mlspec.runtime.prediction_record import AnsweredRequest, RecordEncoder
from mlspec.runtime.predictor import Prediction
from mlspec.sections.monitor_alerts import Alerts
from tests.esql_as_sql import create, flat, translated
from tests.monitoring.incidents_store import incidents, incidents_model
from tests.monitoring.log_lines import REGRESSION, SIGNATURE, segment
from tests.monitoring.prometheus_servers import Api, prometheus, promtool

LABELS = ("no", "yes")
OPTIONS = Alerts(
    error_rate="> 0.1", refused_rate="> 0.02", timeout_rate="> 0.02", throttled_rate="> 0.02", p95_ms="> 250",
    unsure_rate="> 0.25", missing_rate="> 0.2", unseen_rate="> 0.2", silence="5m", window="5m",
)  # fmt: skip
OF_ROWS = Alerts(
    error_rate=None, unsure_rate="> 0.25", missing_rate="> 0.2", unseen_rate="> 0.2", silence=None, window="5m"
)
STATUSES = (200, 200, 200, 200, 200, 200, 200, 404, 422, 408, 429, 499, 500, 503, 504)
WINDOW = 300
SAMPLES = 60
START = datetime.fromtimestamp(int(time.time()) // 60 * 60 - 2 * WINDOW, UTC)
END = START + timedelta(seconds=WINDOW)
VALUES: Mapping[str, tuple[InputKind, Sequence[object]]] = {
    "age": ("number", [None, 1.0, 2.0, 3.0]),
    "town": ("category", ["Bonn", "Oslo", "Rome", None]),
    "sentence": ("text", [None, "as in training", "never seen before", ""]),
    "photo": ("image", ["data:image/png;base64,AAAA", "data:image/png;base64,BBBB"]),
}
"""The type of each input, and its values."""
KNOWN = {"town": frozenset({"Bonn", "Oslo"})}


@dataclass(frozen=True)
class Kind:
    """A model by its inputs, with what the log has of them."""

    project: str
    inputs: tuple[str, ...]
    stored: Mapping[str, Storage] = field(default_factory=dict)
    labels: tuple[str, ...] = LABELS

    @property
    def types(self) -> dict[str, InputKind]:
        return {name: VALUES[name][0] for name in self.inputs}

    @property
    def known(self) -> dict[str, frozenset[str]]:
        return {name: values for name, values in KNOWN.items() if name in self.inputs}

    @property
    def hashed(self) -> tuple[str, ...]:
        return tuple(name for name, how in self.stored.items() if how == "hashed")

    @property
    def shape(self) -> ModelShape:
        """As `mlspec monitor` and Kibana's dashboard have it."""
        inputs = [(name, kind) for name, kind in self.types.items() if self.stored.get(name) != "redacted"]
        known = [(name, tuple(sorted(values))) for name, values in self.known.items() if name not in self.stored]
        task = "classification" if self.labels else "regression"
        return ModelShape(self.project, task, tuple(inputs), self.labels, 0.5, tuple(known), self.hashed)

    @property
    def signature(self) -> BundleSignature:
        inputs = [
            SignatureInput(name=n, type=kind, **({"channels": 1, "height": 8, "width": 8} if kind == "image" else {}))
            for n, kind in self.types.items()
        ]
        output = SIGNATURE.output if self.labels else REGRESSION.output
        return SIGNATURE.model_copy(update={"inputs": tuple(inputs), "output": output})

    @cached_property
    def traffic(self) -> dict[str, list[AnsweredRequest]]:
        return {"1": list(self.requests("1", 400, 2)), "2": list(self.requests("2", 150, 8))}

    def requests(self, version: str, count: int, bad: int) -> Iterator[AnsweredRequest]:
        """Requests of up to three rows; the first `bad` of the statuses are errors more often."""
        draw = random.Random(version)
        for number in range(count):
            at = START.timestamp() + 1 + number * (WINDOW - 2) / count
            status = draw.choice(STATUSES[-bad:] if draw.random() < 0.3 else STATUSES[:-bad])
            rows = [
                {name: draw.choice(VALUES[name][1]) for name in self.inputs}
                for _ in range(draw.randint(1, 3) if status == 200 else 0)
            ]
            scores = [draw.choice([0.05, 0.35, 0.55, 0.72, 0.93, 0.999]) for _ in rows]
            predictions = [self.prediction(draw, score) for score in scores]
            seconds = draw.choice([0.002, 0.03, 0.04, 0.07, 0.2, 0.4 if version == "2" else 0.08])
            route = "other" if status == 404 else "/predict"
            yield AnsweredRequest(at, f"{version}-{number}", route, status, None, seconds, rows, predictions)

    def prediction(self, draw: random.Random, score: float) -> Prediction:
        if not self.labels:
            return {"value": 100 * score}
        return {"label": draw.choice(self.labels), "score": score, "probabilities": {}}


KINDS = {
    "table": Kind("toy", ("age", "town")),
    "texts": Kind("toy-texts", ("sentence",)),
    "images": Kind("toy-images", ("photo",)),
    "hidden": Kind(
        "toy-hidden", ("photo", "sentence", "town", "age"), {"town": "hashed", "age": "redacted", "sentence": "hashed"}
    ),
    "regression": Kind("toy-regression", ("age", "town"), labels=()),
}


@dataclass(frozen=True)
class Stores:
    """The same predictions in three stores."""

    kind: Kind
    table: duckdb.DuckDBPyConnection
    metrics: Api


def log_lines(kind: Kind) -> list[bytes]:
    """The lines of the log that the servers of both versions write."""
    lines = []
    for version, answered in kind.traffic.items():
        policy = LogPolicy(kind.project, columns=kind.stored)
        encoder = RecordEncoder(Contract(kind.project, version, kind.types, kind.labels), policy, "http")
        lines += [line for request in answered for line in encoder.lines(request).lines]
    return lines


def documents(kind: Kind) -> list[dict[str, Any]]:
    """The documents of Elasticsearch."""
    known = {name: values for name, values in kind.known.items() if name not in kind.stored}
    return flat([document(line, kind.shape.low_confidence, known).source for line in log_lines(kind)])


def samples() -> str:
    """The metrics of the servers in OpenMetrics, growing linearly from 0 to their value at the end."""
    parsed = [line.rpartition(" ") for kind in KINDS.values() for line in metrics_of(kind)]
    at = [(START.timestamp() + index * WINDOW / SAMPLES, index / SAMPLES) for index in range(SAMPLES + 1)]
    larger = (f"{series} {float(value) * part} {when}" for series, _, value in parsed for when, part in at)
    return "\n".join([*larger, *reported_samples(), "# EOF", ""])


def metrics_of(kind: Kind) -> Iterator[str]:
    for version, answered in kind.traffic.items():
        contract = Contract(kind.project, version, kind.types, kind.labels)
        counters, observed = Counters(kind.project, version), LogCounts(contract, kind.known, kind.shape.low_confidence)
        for request in answered:
            counters.began()
            counters.predicted([str(p["label"]) for p in request.predictions if "label" in p], len(request.rows))
            counters.ended(request.route, request.status, request.seconds)
        rows = [row for request in answered for row in request.rows]
        scores = [p["score"] for request in answered for p in request.predictions if "score" in p]
        observed.observe(rows, scores)
        yield from (line for line in (counters.text() + observed.text()).splitlines() if not line.startswith("#"))


def reported_samples() -> list[str]:
    """The gauges of one observation, as of the end."""
    lines = [line for line in metrics_text(incidents().state.metrics).splitlines() if not line.startswith("#")]
    return [f"{line} {END.timestamp()}" for line in lines]


def reported_documents() -> list[dict[str, Any]]:
    """The documents of the same observation."""
    documents = [report.document("shop", END) for report in incidents().reports]
    return flat([document | {"@timestamp": END} for document in documents])


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Stores]]:
    """The stores of each kind of model, with one Prometheus for all of them."""
    folder = tmp_path_factory.mktemp("stores")
    (folder / "metrics.txt").write_text(samples())
    done = promtool("tsdb", "create-blocks-from", "openmetrics", "metrics.txt", "tsdb", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "prometheus.yml").write_text("{}\n")
    with prometheus(folder / "prometheus.yml", folder) as metrics, ExitStack() as opened:

        @cache
        def of(name: str) -> Stores:
            kind = KINDS[name]
            segment(folder / name, b"".join(log_lines(kind)), day=f"{START:%Y-%m-%d}")
            store = PredictionStore(folder / name, kind.signature, hashed=frozenset(kind.hashed))
            connection = opened.enter_context(store.opened())
            create(connection, "documents", documents(kind))
            create(connection, "reports", reported_documents())
            return Stores(kind, connection, metrics)

        yield of


Numbers = dict[tuple[str, ...], float]
"""Values by the name of the series and the values of its groups."""


def by_sql(stores: Stores, query: Query) -> Numbers:
    rendered = sql.panel(query, stores.kind.shape)
    return _numbers(stores.table.execute(rendered.text, [START, END]), len(rendered.groups))


def by_esql(stores: Stores, query: Query) -> Numbers:
    rendered = esql.panel(query, stores.kind.shape, "documents")
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
    """Without what only the servers know: of inputs that the log has not, or of which it has only hashes."""
    scope, actual = promql.Scope(stores.kind.project, f"{WINDOW}s"), {}
    for series in query.series:
        expr = promql.expression(series.measure, query.by, scope)
        for element in stores.metrics.query(expr, time=str(END.timestamp())) if expr else ():
            labels, value = element["metric"], float(element["value"][1])
            groups = [labels[promql.LABELS[g]] for g in query.by if g is not Grouping.COLUMN]
            name = f"{series.name} {labels['input']}" if Grouping.COLUMN in query.by else series.name
            if "input" not in labels or labels["input"] not in hidden(stores.kind, series.measure):
                actual[name, *groups] = value
    return actual


def hidden(kind: Kind, measure: Measure) -> set[str]:
    unseen = isinstance(measure, Rate) and measure.part is Counted.UNSEEN
    return {name for name, how in kind.stored.items() if how == "redacted" or unseen}


PANELS = {
    (name, panel.id): panel.query._replace(by=tuple(g for g in panel.query.by if g is not Grouping.TIME))
    for name, kind in KINDS.items()
    for panel in dashboard(kind.shape, (), kind.project, "").panels
    if not any(isinstance(s.measure, Latest) for s in panel.query.series)
}


def test_a_panel_is_of_what_the_inputs_have() -> None:
    by_input = {name: {panel for kind, panel in PANELS if kind == name} & {"missing", "unseen"} for name in KINDS}
    both = {"missing", "unseen"}
    assert by_input == {
        "table": both, "texts": {"missing"}, "images": set(), "hidden": {"missing"}, "regression": both
    }  # fmt: skip


@pytest.mark.parametrize(("kind", "panel"), PANELS)
def test_a_panel_has_the_same_numbers_in_every_store(kind: str, panel: str, stores: Callable[[str], Stores]) -> None:
    query, of = PANELS[kind, panel], stores(kind)
    ours, documents, metrics = by_sql(of, query), by_esql(of, query), by_promql(of, query)
    assert ours
    assert documents == pytest.approx(ours)
    percentiles = {s.name for s in query.series if isinstance(s.measure, Percentile)}
    per_second = {s.name for s in query.series if s.unit == "per_second"}
    unmeasured = {s.name for s in query.series if promql.expression(s.measure, (), promql.Scope("", "")) is None}
    assert metrics.keys() == {key for key in ours if key[0] not in unmeasured}
    for key, value in metrics.items():
        if key[0] in percentiles:
            assert bucket(value, panel) == bucket(ours[key], panel), key
        else:
            assert value == pytest.approx(ours[key] / WINDOW if key[0] in per_second else ours[key], abs=1e-6), key


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
def test_a_panel_of_what_is_reported_has_the_same_numbers_everywhere(
    name: str, stores: Callable[[str], Stores]
) -> None:
    """Measured and expected quality with their intervals, the labelled share, and the evidence of drift."""
    panel, of = REPORTED[name], stores("table")
    groups = tuple(g for g in panel.query.by if g is not Grouping.TIME)
    query = panel.query._replace(by=groups)
    state = incidents().state
    with reported_numbers(state.metrics, END) as run:
        rendered = sql.panel(query, of.kind.shape)
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
        for element in of.metrics.query(str(expr), time=str(END.timestamp())):
            labels = [element["metric"].get(promql.LABELS[g], "None") for g in groups]
            metrics[series.name, *labels] = float(element["value"][1])
    assert metrics == pytest.approx(ours)
    text = esql.panel(query, of.kind.shape, "reports").text
    result = of.table.execute(translated(text))
    names = [column[0] for column in result.description or ()]
    documents: Numbers = {}
    for row in (dict(zip(names, each, strict=True)) for each in result.fetchall()):
        key = [str(row[g.value]) for g in groups]
        documents |= {(s.name, *key): row[s.name] for s in query.series if row[s.name] is not None}
    assert documents == pytest.approx(ours)
    if panel.chart == "table":
        (shown,) = [view for view in state.panels if view.id == name]
        names = shown.names
        cells = {tuple(filter(None, row[:names])): row[names:] for row in shown.cells}
        assert ours == pytest.approx(
            {
                (s.name, *(*key, *["None"] * len(groups))[: len(groups)]): value
                for key, row in cells.items()
                for s, value in zip(query.series, row, strict=True)
                if value is not None
            }
        )


ALERTS = {
    (name, alert.name): alert
    for name, kind in KINDS.items()
    for alert in alerts(OPTIONS if name == "table" else OF_ROWS, kind.shape)
}


@pytest.mark.parametrize(("kind", "name"), ALERTS)
def test_an_alert_fires_for_the_same_groups_in_every_store(
    kind: str, name: str, stores: Callable[[str], Stores]
) -> None:
    alert, of = ALERTS[kind, name], stores(kind)
    shape = of.kind.shape
    table = of.table.execute(sql.rule(alert, shape), [START, END])
    columns = [column[0] for column in table.description or ()]
    fired = {tuple(str(row[columns.index(c)]) for c in ("version", "column") if c in columns)
             for row in table.fetchall()}  # fmt: skip
    assert fired == by_rule_of_prometheus(of, alert)
    versions = {str(row[0]) for row in of.table.execute(translated(esql.rule(alert, shape, "documents"))).fetchall()}
    assert versions == {group[0] for group in fired}
    assert bool(fired) == (name != "silence")


def by_rule_of_prometheus(stores: Stores, alert: Alert) -> set[tuple[str, ...]]:
    project = stores.kind.project
    (measured, enough, rule) = _rules(group([alert], RuleOptions(project, project, 60, 0)))
    expr = rule.partition(" and on")[0]
    bound = expr[expr.index("}") + 1 :]
    whole = f"({measured}){bound}" + (f" and on (version) ({enough}) >= {alert.least}" if enough else "")
    result = stores.metrics.query(whole, time=str(END.timestamp()))
    labels, without = ("version", "input"), hidden(stores.kind, alert.measure)
    metrics = (each["metric"] for each in result if each["metric"].get("input") not in without)
    return {tuple(metric[key] for key in labels if key in metric) for metric in metrics}


def _rules(group: RuleGroup) -> tuple[str, str, str]:
    *enough, measured = [rule.expr for rule in group.recording]
    return measured, "".join(enough), group.alerting[0].expr


@pytest.mark.parametrize("kind", KINDS)
def test_the_documents_have_every_field_of_the_queries(kind: str) -> None:
    known = set(documents(KINDS[kind])[0])
    for (name, _), query in PANELS.items():
        if name == kind:
            text = esql.panel(query, KINDS[kind].shape, "documents").text
            assert set(re.findall(r"@timestamp|\b[a-z]+(?:\.[a-z_]+)+\b", text)) <= known, text
