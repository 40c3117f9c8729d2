"""The monitoring files, against a server that speaks Elasticsearch's language, Elastic's own contract, and a reader of
dashboards that is not ours."""

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
from jsonschema import Draft202012Validator

from tests.conftest import missing
from tests.elastic.servers import for_osmem
from tests.parts.targets import BASE, files

MONITOR = """\
monitor:
  elasticsearch: {redact: [note]}
  alerts: {p95_ms: "> 300", unsure_rate: "> 0.3", silence: 1h}
"""
SPEC = BASE.replace("{sentence: text}", "{sentence: text, note: text}")
REGRESSION = (
    BASE.replace("{sentence: text}", "{age: number, city: category}")
    .replace('{column: label, type: class, labels: ["no", "yes"]}', "{column: price, type: number}")
    .replace("text-classifier", "tabular")
)
STREAM = "predictions-cola-default"


@pytest.fixture
def rendered(tmp_path: Path) -> dict[str, str]:
    return files(tmp_path, MONITOR, SPEC)


def document(number: int) -> dict[str, Any]:
    """One prediction; every tenth request failed."""
    failed = number % 10 == 0
    shared = {
        "@timestamp": f"2026-11-27T10:{number % 60:02}:00Z",
        "event": {"kind": "event", "outcome": "failure" if failed else "success", "duration": 1_500_000 * number},
        "service": {"name": "cola", "version": str(1 + number % 2)},
        "http": {"request": {"id": f"r{number}"}, "response": {"status_code": 500 if failed else 200}},
        "url": {"path": "/predict"},
        "inputs": {"sentence": "the cat sat", "age": 3, "city": "Bonn"},
        "lengths": {"sentence": {"characters": 11, "words": 3}},
        "stray": {"key": "that no field is made of"},
    }
    prediction = {"failed": int(failed), "unsure": number % 2, "row": 0, "weight": 1.0}
    answer = {} if failed else {"label": "yes", "score": 0.5 + number / 100, "value": 2.5}
    return {**shared, "prediction": {**prediction, **answer}}


@pytest.fixture
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


def install(client: Any, rendered: dict[str, str]) -> None:
    """The templates, without what the server does not know."""
    component = for_osmem(json.loads(rendered["elasticsearch/component-template.json"]))
    client.cluster.put_component_template(name=f"{STREAM}@mappings", **component)
    index = for_osmem(json.loads(rendered["elasticsearch/index-template.json"]))
    client.indices.put_index_template(name=STREAM, **index)


def search(client: Any, column: dict[str, Any]) -> Any:
    """The aggregation that Lens makes of a column, or None where it counts documents."""
    field, params = column["sourceField"], column["params"]
    body: dict[str, Any] = {
        "date_histogram": lambda: {"date_histogram": {"field": field, "fixed_interval": "10m"}},
        "terms": lambda: {"terms": {"field": field, "size": params["size"]}},
        "average": lambda: {"avg": {"field": field}},
        "percentile": lambda: {"percentiles": {"field": field, "percents": [params["percentile"]]}},
        "count": lambda: {"value_count": {"field": "_index"}},
    }[column["operationType"]]()
    return client.search(index=STREAM, size=0, aggs={"x": body})["aggregations"]["x"]


def panels(text: str) -> list[dict[str, Any]]:
    dashboard = json.loads(text.splitlines()[1])
    found: list[dict[str, Any]] = json.loads(dashboard["attributes"]["panelsJSON"])
    return found


def columns(panel: dict[str, Any]) -> dict[str, dict[str, Any]]:
    layers = panel["embeddableConfig"]["attributes"]["state"]["datasourceStates"]["formBased"]["layers"]
    found: dict[str, dict[str, Any]] = layers["layer"]["columns"]
    return found


@pytest.mark.parametrize("spec", [SPEC, REGRESSION], ids=["classification", "regression"])
def test_every_panel_of_the_dashboard_has_data(spec: str, server: Any, tmp_path: Path) -> None:
    from elasticsearch import helpers

    rendered = files(tmp_path, "monitor: {elasticsearch: {}}\n", spec)
    client = connect(server)
    install(client, rendered)
    done, errors = helpers.bulk(client, ({"_index": STREAM, "_source": document(i)} for i in range(60)), refresh=True)
    assert (done, errors) == (60, [])
    assert "stray" not in client.indices.get_mapping(index=STREAM)[STREAM]["mappings"]["properties"]
    shown = panels(rendered["kibana/dashboard.ndjson"])
    assert len(shown) > 7
    for panel in shown:
        for column in columns(panel).values():
            answer = search(client, column)
            value = (
                answer.get("buckets") or answer.get("value") or next(iter((answer.get("values") or {None: 0}).values()))
            )
            assert value, (panel["title"], column)


@pytest.mark.parametrize("spec", [SPEC, REGRESSION, REGRESSION.replace("city", "a.b")], ids=["class", "number", "dots"])
def test_the_template_keeps_elastics_own_contract(spec: str, tmp_path: Path) -> None:
    rendered = files(tmp_path, "monitor: {elasticsearch: {}}\n", spec)
    folder = os.environ.get("MLSPEC_CONTRACTS")
    if not folder or not (contract := Path(folder, "elasticsearch-openapi.json")).is_file():
        missing("Elasticsearch's API description (MLSPEC_CONTRACTS=folder)")
    api = json.loads(contract.read_text(encoding="utf-8"))
    body = api["components"]["requestBodies"]["indices.put_index_template"]["content"]["application/json"]["schema"]
    validator = Draft202012Validator({**body, "components": api["components"]})
    template = json.loads(rendered["elasticsearch/index-template.json"])
    assert [e.message for e in validator.iter_errors(template)] == []
    assert list(validator.iter_errors({**template, "priority": "high"}))
    known = set(body["properties"])
    assert set(template) <= known


def test_another_reader_understands_every_panel(rendered: dict[str, str], tmp_path: Path) -> None:
    reader = os.environ.get("MLSPEC_KB_DASHBOARD") or shutil.which("kb-dashboard")
    if not reader:
        missing(
            "kb-dashboard (Python package kb-dashboard-cli, in an environment of its own; MLSPEC_KB_DASHBOARD=path)"
        )
    source, made = tmp_path / "dashboard.ndjson", tmp_path / "dashboard.yaml"
    source.write_text(rendered["kibana/dashboard.ndjson"].splitlines()[1], encoding="utf-8")
    subprocess.run([reader, "decompile", str(source), "-o", str(made)], check=True, capture_output=True)
    (read,) = yaml.safe_load(made.read_text(encoding="utf-8"))["dashboards"]
    ours = panels(rendered["kibana/dashboard.ndjson"])
    assert [p["id"] for p in read["panels"]] == [p["panelIndex"] for p in ours]
    kinds = {p["id"]: p["lens"]["type"] for p in read["panels"]}
    assert kinds["requests"] == "metric"
    assert kinds["latency"] == "line"
    assert kinds["versions"] == "bar"
    assert kinds["table"] == "datatable"
    assert {p["lens"]["data_view"] for p in read["panels"]} == {f"{STREAM}-view"}


def test_references_of_the_dashboard_lead_somewhere(rendered: dict[str, str]) -> None:
    view, dashboard = (json.loads(line) for line in rendered["kibana/dashboard.ndjson"].splitlines())
    assert view["attributes"]["title"] == STREAM
    assert {r["id"] for r in dashboard["references"]} == {view["id"]}
    names = {
        f"{p['panelIndex']}:indexpattern-datasource-layer-layer" for p in panels(rendered["kibana/dashboard.ndjson"])
    }
    assert {r["name"] for r in dashboard["references"]} == names
