"""The monitoring files against a server that speaks Elasticsearch's language, and a reader of dashboards that is not ours.

The server has no ES|QL, so each panel and rule is asked in the form of an aggregation: the same fields, conditions and
groups as its query.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlspec.monitoring.queries.alerts import alerts
from mlspec.monitoring.queries.measure import UNROUTED, Count, Counted, Latest, Measure, Percentile, Rate
from mlspec.monitoring.queries.query import Grouping, Series
from mlspec.parts.monitor.kibana import kibana_objects
from mlspec.sections.monitor import Monitor
from tests.conftest import missing
from tests.elastic.servers import for_osmem
from tests.parts.targets import BASE, build, files

MONITOR = """\
monitor:
  elasticsearch: {redact: [note], low_confidence: 0.7}
  alerts: {p95_ms: "> 30", unsure_rate: "> 0.3", silence: 1h}
"""
SPEC = BASE.replace("{sentence: text}", "{sentence: text, note: text}")
REGRESSION = (
    BASE.replace("{sentence: text}", "{age: number, city: category}")
    .replace('{column: label, type: class, labels: ["no", "yes"]}', "{column: price, type: number}")
    .replace("text-classifier", "tabular")
)
SPECS = {"classification": (SPEC, MONITOR), "regression": (REGRESSION, "monitor: {elasticsearch: {}}\n")}
STREAM, REPORTS = "predictions-cola-default", "monitor-cola-default"
INPUTS = {"sentence": "the cat sat", "age": 3, "city": "Bonn"}
STATUSES = {1: 500, 2: 504, 3: 429, 4: 422, 5: 408, 6: 503}
"""The status of every tenth request from the first on."""


def document(number: int) -> dict[str, Any]:
    """One prediction of one of two versions; six of ten requests are not answered, each for another reason."""
    status = STATUSES.get(number % 10, 200)
    shared = {
        "@timestamp": f"2026-11-27T10:{number % 60:02}:00Z",
        "event": {
            "kind": "event",
            "outcome": "success" if status == 200 else "failure",
            "duration": 1_500_000 * number,
        },
        "service": {"name": "cola", "version": str(1 + number % 3)},
        "http": {"request": {"id": f"r{number}"}, "response": {"status_code": status}},
        "url": {"path": "/predict"},
        "stray": {"key": "that no field is made of"},
    }
    if status != 200:
        return {**shared, "prediction": {"failed": int(status >= 500), "weight": 1.0}}
    return {
        **shared,
        "inputs": INPUTS,
        "lengths": {"sentence": {"characters": 11, "words": 3}},
        "missing": {"sentence": number % 2, "note": 1, "age": number % 2, "city": number % 2},
        "unseen": {"city": number % 2},
        "prediction": {
            "row": 0,
            "weight": 1.0,
            "failed": 0,
            "unsure": number % 2,
            "label": "yes",
            "score": 0.6,
            "value": 2.5,
        },
    }


def report(number: int) -> dict[str, Any]:
    """What `mlspec monitor` reports: drift of a column, and the quality of a version."""
    drift = {
        "column": "age",
        "kind": "moved",
        "drift_evidence": 3.0 * number,
        "drift_share": number / 100,
        "effect": 0.2,
        "alarm": 1,
    }
    quality = {
        "metric": "mcc",
        "quality": 0.8,
        "quality_estimated": 0.7,
        "quality_expected": 0.9,
        "labelled_share": 0.4,
    }
    quality |= {"quality_low": 0.7, "quality_high": 0.9, "quality_estimated_low": 0.6, "quality_estimated_high": 0.8}
    quality |= {"label": "yes", "measure": 0.8, "measure_low": 0.7, "measure_high": 0.9, "measure_estimated": 0.7}
    quality |= {"measure_estimated_low": 0.6, "measure_estimated_high": 0.8}
    quality |= {"slice": "town=Bonn", "slice_measure": 0.8, "slice_measure_low": 0.7, "slice_measure_high": 0.9}
    quality |= {"slice_measure_tested": 0.8, "slice_measure_rows": 40}
    return {
        "@timestamp": f"2026-11-27T10:{number:02}:00Z",
        "event": {"kind": "metric"},
        "service": {"name": "cola", "version": "1"},
        "monitor": {**drift, **quality},
    }


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    """An in-memory server with templates, mappings, bulk and aggregations; it has no data streams."""
    try:
        from osmem_server import OsmemServer
    except ImportError:
        missing("the Python package osmem-server")
    with OsmemServer.start(japanese=False) as started:
        yield started


def connect(server: Any) -> Any:
    """Elastic's own client; the server knows plain JSON only, not the client's versioned media type for it."""
    from elastic_transport import Urllib3HttpNode
    from elasticsearch import Elasticsearch

    class PlainJson(Urllib3HttpNode):
        def perform_request(self, method: str, target: str, body: Any = None, headers: Any = None, **more: Any) -> Any:
            plain = dict(headers or {})
            if "content-type" in plain:
                lines = "x-ndjson" in plain["content-type"]
                plain["content-type"] = "application/x-ndjson" if lines else "application/json"
            return super().perform_request(method, target, body, plain, **more)

    return Elasticsearch(server.url, node_class=PlainJson)


def fill(client: Any, rendered: dict[str, str]) -> None:
    """The templates, without what the server does not know, and documents in both streams."""
    from elasticsearch import helpers

    client.indices.delete(index=f"{STREAM},{REPORTS}", ignore_unavailable=True)
    component = for_osmem(json.loads(rendered["elasticsearch/component-template.json"]))
    client.cluster.put_component_template(name=f"{STREAM}@mappings", **component)
    index = for_osmem(json.loads(rendered["elasticsearch/index-template.json"]))
    client.indices.put_index_template(name=STREAM, **index)
    documents = [{"_index": STREAM, "_source": document(i)} for i in range(120)]
    documents += [{"_index": REPORTS, "_source": report(i)} for i in range(1, 9)]
    assert helpers.bulk(client, documents, refresh=True) == (128, [])


FIELDS = {"latency": "event.duration", "score": "prediction.score", "value": "prediction.value"}
GROUPS: dict[Grouping, dict[str, Any]] = {
    Grouping.TIME: {"date_histogram": {"field": "@timestamp", "fixed_interval": "10m"}},
    Grouping.VERSION: {"terms": {"field": "service.version"}},
    Grouping.LABEL: {"terms": {"field": "prediction.label"}},
    Grouping.COLUMN: {"terms": {"field": "monitor.column"}},
    Grouping.METRIC: {"terms": {"field": "monitor.metric"}},
    Grouping.SLICE: {"terms": {"field": "monitor.slice"}},
}


def condition(counted: Counted, column: str = "") -> dict[str, Any]:
    """The condition of the records that count, as a filter."""
    if counted is Counted.UNSURE:
        return {"term": {"prediction.unsure": 1}}
    if counted in (Counted.MISSING, Counted.UNSEEN):
        return {"term": {f"{counted.value}.{column}": 1}}
    if counted is Counted.PREDICTIONS:
        return {"exists": {"field": "prediction.row"}}
    ranges = [
        {
            "bool": {
                "filter": {"range": {"http.response.status_code": {"gte": each.low, "lte": each.high}}},
                "must_not": {"terms": {"http.response.status_code": [*UNROUTED, *each.without]}},
            }
        }
        for each in counted.statuses or ()
    ]
    return {"bool": {"should": ranges, "minimum_should_match": 1}}


def aggregation(measure: Measure, column: str) -> dict[str, Any]:
    """One measure as an aggregation whose value is above zero in the documents."""
    match measure:
        case Count():
            return {"filter": condition(measure.counted), "aggs": {"x": {"sum": {"field": "prediction.weight"}}}}
        case Rate():
            return {"filter": condition(measure.part, column), "aggs": {"x": {"sum": {"field": "prediction.weight"}}}}
        case Percentile():
            return {"percentiles": {"field": FIELDS[measure.quantity], "percents": [measure.percent]}}
        case Latest():
            return {"max": {"field": f"monitor.{measure.reported}"}}
        case _:
            return {"avg": {"field": FIELDS[measure.quantity]}}


def rows(
    client: Any, series: tuple[Series, ...], by: tuple[Grouping, ...], columns: dict[str, str]
) -> list[dict[str, float]]:
    """The rows of a query: one for each group with documents, with the value of each series."""
    reported = all(isinstance(each.measure, Latest) for each in series)
    aggs = {each.name: aggregation(each.measure, columns.get(each.name, "")) for each in series}
    for group in reversed([g for g in by if g is not Grouping.COLUMN or reported]):
        own = {"terms": {"field": "monitor.label"}} if reported and group is Grouping.LABEL else GROUPS[group]
        aggs = {group.value: {**own, "aggs": aggs}}
    answer = client.search(index=REPORTS if reported else STREAM, size=0, aggs=aggs)["aggregations"]
    return list(leaves(answer, {each.name for each in series}))


def leaves(answer: Any, names: set[str]) -> Iterator[dict[str, float]]:
    inner = [value for value in answer.values() if isinstance(value, dict) and "buckets" in value]
    if not inner:
        yield {name: number(answer[name]) for name in names}
    for value in inner:
        for bucket in value["buckets"]:
            yield from leaves(bucket, names)


def number(value: Any) -> float:
    inner = value.get("x", value)
    return float(next(iter(inner["values"].values())) if "values" in inner else inner["value"] or 0)


@pytest.mark.parametrize("spec", SPECS)
def test_the_query_behind_every_panel_and_rule_returns_rows(spec: str, server: Any, tmp_path: Path) -> None:
    base, monitor = SPECS[spec]
    client, project = connect(server), build(tmp_path, monitor, base).project
    fill(client, files(tmp_path, monitor, base))
    assert "stray" not in client.indices.get_mapping(index=STREAM)[STREAM]["mappings"]["properties"]
    objects = kibana_objects(project)
    empty = []
    for panel in objects.source.dashboard.panels:
        series = objects.source.query(panel).values
        columns = {each.name: each.measure.column for each in series if isinstance(each.measure, Rate)}
        result = rows(client, series, panel.query.by, columns)
        empty += [(panel.id, each.name) for each in series if not any(row[each.name] > 0 for row in result)]
    for alert in alerts(project.need(Monitor).alerts, objects.source.shape):
        result = rows(client, (Series("measured", "", alert.measure),), alert.by, {})
        empty += [] if any(row["measured"] > 0 for row in result) else [(alert.name, "rule")]
    assert empty == []


def test_a_bad_value_of_one_number_does_not_refuse_the_document(server: Any, tmp_path: Path) -> None:
    base, monitor = SPECS["classification"]
    client = connect(server)
    fill(client, files(tmp_path, monitor, base))
    wrong = document(7) | {"event": {"duration": "slow"}}
    client.index(index=STREAM, document=wrong, refresh=True)
    assert client.count(index=STREAM)["count"] == 121


def test_an_independent_reader_parses_every_panel(tmp_path: Path) -> None:
    reader = os.environ.get("MLSPEC_KB_DASHBOARD") or shutil.which("kb-dashboard")
    if not reader:
        missing(
            "kb-dashboard (Python package kb-dashboard-cli, in an environment of its own; MLSPEC_KB_DASHBOARD=path)"
        )
    text = files(tmp_path, MONITOR, SPEC)["kibana/dashboard.ndjson"]
    source, written = tmp_path / "dashboard.ndjson", tmp_path / "dashboard.yaml"
    source.write_text(text.splitlines()[1], encoding="utf-8")
    subprocess.run([reader, "decompile", str(source), "-o", str(written)], check=True, capture_output=True)
    (read,) = yaml.safe_load(written.read_text(encoding="utf-8"))["dashboards"]
    ours = json.loads(json.loads(text.splitlines()[1])["attributes"]["panelsJSON"])
    assert [p["id"] for p in read["panels"]] == [p["panelIndex"] for p in ours]
    kinds = {p["id"]: p["esql"]["type"] for p in read["panels"]}
    assert kinds["requests"] == "metric"
    assert kinds["latency"] == "line"
    assert kinds["traffic"] == "bar"
    assert kinds["versions"] == "datatable"
    queries = {p["panelIndex"]: p["embeddableConfig"]["attributes"]["state"]["query"]["esql"] for p in ours}
    assert {p["id"]: " ".join(str(p["esql"]["query"]).split()) for p in read["panels"]} == queries


def test_references_of_the_saved_dashboard_lead_somewhere(tmp_path: Path) -> None:
    text = files(tmp_path, MONITOR, SPEC)["kibana/dashboard.ndjson"]
    view, dashboard = (json.loads(line) for line in text.splitlines())
    assert view["attributes"]["title"] == STREAM
    assert {r["id"] for r in dashboard["references"]} == {view["id"]}
    for panel in json.loads(dashboard["attributes"]["panelsJSON"]):
        state = panel["embeddableConfig"]["attributes"]["state"]
        assert {r["id"] for r in state["internalReferences"]} == set(state["adHocDataViews"])
        layers = state["datasourceStates"]["textBased"]["layers"]
        for drawn in state["visualization"].get("layers", [state["visualization"]]):
            columns = {column["columnId"] for column in layers[drawn["layerId"]]["columns"]}
            assert {drawn[key] for key in ("xAccessor", "splitAccessor", "metricAccessor") if key in drawn} <= columns
            assert {column["columnId"] for column in drawn.get("columns", [])} <= columns
