"""Every body that is rendered, against the published contracts, the grammar of ES|QL and another reader."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.elastic.contracts import (
    ELASTICSEARCH,
    dashboard_faults,
    data_view_faults,
    faults,
    mapping_faults,
    rule_faults,
    template_faults,
)
from tests.esql_grammar import syntax_errors
from tests.parts.targets import BASE, files

ALERTS = 'alerts: {error_rate: "> 0.02", p95_ms: "> 300", unsure_rate: "> 0.3", silence: 1h}'
MONITOR = f"monitor: {{elasticsearch: {{kibana_url: 'http://127.0.0.1:5601', redact: [note]}}, {ALERTS}}}\n"
TEXTS = BASE.replace("{sentence: text}", "{sentence: text, note: text}")
REGRESSION = (
    BASE.replace("{sentence: text}", "{age: number, city: category}")
    .replace('{column: label, type: class, labels: ["no", "yes"]}', "{column: price, type: number}")
    .replace("text-classifier", "tabular")
)
ODD = REGRESSION.replace("city", "'a.b `c'")
IMAGES = BASE.replace("{sentence: text}", "{photo: image}").replace("text-classifier", "image-classifier")
SPECS = {
    "texts": (TEXTS, MONITOR),
    "regression": (REGRESSION, MONITOR.replace("redact: [note]", "replicas: 0").replace(', unsure_rate: "> 0.3"', "")),
    "odd names": (ODD, MONITOR.replace("redact: [note]", "index: Mine".lower()).replace(', unsure_rate: "> 0.3"', "")),
    "images": (IMAGES, MONITOR.replace("redact: [note]", "namespace: eu")),
}
REQUESTS = {
    "elasticsearch/index-template.json": (ELASTICSEARCH, "/_index_template/x", "PUT"),
    "elasticsearch/pipeline.json": (ELASTICSEARCH, "/_ingest/pipeline/x", "PUT"),
    "elasticsearch/server-key.json": (ELASTICSEARCH, "/_security/api_key", "POST"),
    "elasticsearch/reader-key.json": (ELASTICSEARCH, "/_security/api_key", "POST"),
}


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The bodies of each spec by path."""
    rendered = {}
    for name, (base, monitor) in SPECS.items():
        texts = files(tmp_path_factory.mktemp("spec"), monitor, base)
        rendered[name] = {
            path: json.loads(text)
            for path, text in texts.items()
            if path.startswith(("elasti", "kibana")) and path.endswith(".json")
        } | {"ndjson": texts["kibana/dashboard.ndjson"]}
    return rendered


@pytest.mark.parametrize("spec", SPECS)
def test_a_data_view_has_the_documented_shape(spec: str, trees: dict[str, dict[str, Any]]) -> None:
    body = trees[spec]["kibana/data-view.json"]
    assert data_view_faults(body) == []
    assert body["data_view"]["timeFieldName"] == "@timestamp"
    broken = {"data_view": {**body["data_view"], "timeField": "@timestamp", "title": ""}, "overwrite": True}
    assert len(data_view_faults(broken)) == 3


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("path", REQUESTS)
def test_a_body_keeps_its_contract(spec: str, path: str, trees: dict[str, dict[str, Any]]) -> None:
    assert faults(*REQUESTS[path], trees[spec][path]) == []


@pytest.mark.parametrize("spec", SPECS)
def test_rules_keep_their_contract(spec: str, trees: dict[str, dict[str, Any]]) -> None:
    rules = {path: body for path, body in trees[spec].items() if path.startswith("kibana/rules/")}
    assert len(rules) >= 4
    for body in rules.values():
        assert rule_faults(f"/s/default/api/alerting/rule/{uuid.uuid4()}", "POST", body) == []


@pytest.mark.parametrize("spec", SPECS)
def test_the_component_template_keeps_its_contract(spec: str, trees: dict[str, dict[str, Any]]) -> None:
    assert template_faults(trees[spec]["elasticsearch/component-template.json"]) == []


@pytest.mark.parametrize("spec", SPECS)
def test_the_dashboard_keeps_its_contract(spec: str, trees: dict[str, dict[str, Any]]) -> None:
    assert dashboard_faults(trees[spec]["kibana/dashboard.json"]) == []


def test_the_contracts_refuse_a_wrong_body(trees: dict[str, dict[str, Any]]) -> None:
    body = trees["texts"]["kibana/dashboard.json"]
    panel = {**body["panels"][0], "grid": {"x": 0, "y": 0, "w": 49, "h": 5}}
    assert dashboard_faults({**body, "panels": [panel]})
    assert dashboard_faults({**body, "panel": []})
    template = trees["texts"]["elasticsearch/index-template.json"]
    assert faults(ELASTICSEARCH, "/_index_template/x", "PUT", {**template, "priority": "high"})


@pytest.mark.parametrize(
    ("path", "method", "body"),
    [
        ("/_data_stream/x/_options", "PUT", {"failure_store": {"enabled": "yes"}}),
        ("/_data_stream/x/_options", "PUT", {"failures": {}}),
        ("/_security/api_key/x", "PUT", {"role_descriptors": {"reader": {"indices": [{"names": ["x"]}]}}}),
        ("/_security/api_key/x", "PUT", {"name": "x"}),
        ("/x/_rollover", "POST", {"condition": {}}),
    ],
)
def test_the_fragments_of_the_contract_refuse_a_wrong_body(path: str, method: str, body: Any) -> None:
    assert faults(ELASTICSEARCH, path, method, body)


def test_a_field_that_is_added_keeps_the_contract(trees: dict[str, dict[str, Any]]) -> None:
    mappings = trees["texts"]["elasticsearch/component-template.json"]["template"]["mappings"]
    assert mapping_faults("/x/_mapping", {"properties": mappings["properties"]}) == []
    assert mapping_faults("/x/_mapping", {"properties": {"a": {"type": "number"}}})


def esql_in(body: Any) -> list[str]:
    """Every ES|QL query of a body, at any depth."""
    if isinstance(body, list):
        return [query for each in body for query in esql_in(each)]
    if not isinstance(body, dict):
        return []
    own = [body["query"]] if body.get("type") == "esql" and isinstance(body.get("query"), str) else []
    own += [body["esql"]] if isinstance(body.get("esql"), str) else []
    return own + [query for each in body.values() for query in esql_in(each)]


def test_every_query_is_valid_esql(trees: dict[str, dict[str, Any]]) -> None:
    """One process for all of them, and the spec with the oddest names: the grammar takes a second for a query."""
    queries: list[str] = []
    for tree in (trees["texts"], trees["odd names"]):
        for path, body in tree.items():
            queries += (
                esql_in(body) if path != "ndjson" else [q for panel in saved_panels(body) for q in esql_in(panel)]
            )
    unique = list(dict.fromkeys(queries))
    assert len(unique) > 40
    errors = syntax_errors([*unique, "FROM x | WHERE a = 1"])
    assert errors.pop()
    assert {query: result for query, result in zip(unique, errors, strict=True) if result} == {}


def saved_panels(ndjson: str) -> list[dict[str, Any]]:
    attributes = json.loads(ndjson.splitlines()[1])["attributes"]
    panels: list[dict[str, Any]] = json.loads(attributes["panelsJSON"])
    return panels


def test_both_dashboards_show_the_same(trees: dict[str, dict[str, Any]]) -> None:
    for tree in trees.values():
        panels = tree["kibana/dashboard.json"]["panels"]
        saved = saved_panels(tree["ndjson"])
        assert [p["id"] for p in panels] == [p["panelIndex"] for p in saved]
        for panel, old in zip(panels, saved, strict=True):
            layers = old["embeddableConfig"]["attributes"]["state"]["datasourceStates"]["textBased"]["layers"]
            assert esql_in(panel["config"]) == [layer["query"]["esql"] for layer in layers.values()]


def test_the_dashboard_answers_the_questions(trees: dict[str, dict[str, Any]]) -> None:
    body = trees["texts"]["kibana/dashboard.json"]
    panels = {panel["id"]: panel["config"] for panel in body["panels"]}
    assert {
        "requests",
        "errors",
        "p95",
        "kinds",
        "labels",
        "confidence",
        "drift",
        "quality",
        "versions",
    } <= panels.keys()
    assert [control["type"] for control in body["pinned_panels"]] == ["options_list_control", "time_slider_control"]
    assert body["tags"] == ["mlspec", "cola"]
    assert panels["errors"]["metrics"][0]["subtitle"] == "alert at 2 %"
    layers = panels["errors-by-version"]["layers"]
    assert [layer["x"]["column"] for layer in layers] == ["time", "time", "deployed"]
    assert "limit = 0.02 | KEEP" in layers[1]["data_source"]["query"]
    assert "STATS documents = COUNT(*) | EVAL" in layers[1]["data_source"]["query"]  # a row without traffic, too
    assert layers[2]["y"][0]["axis"] == "y2"
    charts = [panel["layers"] for panel in panels.values() if panel["type"] == "xy"]
    assert len(charts) > 5
    assert all(drawn[-1]["x"]["column"] == "deployed" for drawn in charts)
    assert all(panel["grid"]["x"] + panel["grid"]["w"] <= 48 for panel in body["panels"])


def test_rules_judge_each_version_and_wait_for_a_second_look(trees: dict[str, dict[str, Any]]) -> None:
    rules = {Path(path).stem: body for path, body in trees["texts"].items() if path.startswith("kibana/rules/")}
    assert {"error-rate", "latency", "unsure", "silence", "drift"} <= rules.keys()
    for name in ("error-rate", "latency", "unsure"):
        assert "version = service.version" in rules[name]["params"]["esqlQuery"]["esql"]
        assert rules[name]["alert_delay"] == {"active": 2}
        assert rules[name]["params"]["groupBy"] == "row"
    assert rules["silence"]["alert_delay"] == {"active": 1}
    assert "FROM monitor-cola-default" in rules["drift"]["params"]["esqlQuery"]["esql"]
    assert {"mlspec", "cola"} <= set(rules["error-rate"]["tags"])


def test_a_spec_whose_quality_has_slices_has_a_rule_for_them(trees: dict[str, dict[str, Any]]) -> None:
    path = "kibana/rules/slice-quality.json"
    assert {spec: path in tree for spec, tree in trees.items()} == {
        "texts": False, "regression": True, "odd names": True, "images": False,
    }  # fmt: skip
    query = trees["regression"][path]["params"]["esqlQuery"]["esql"]
    assert "BY slice = monitor.slice, version = service.version" in query


def test_ids_of_rules_are_stable_uuids_of_version_4() -> None:
    from mlspec.parts.monitor.stack_names import stable_uuid

    one, other = stable_uuid("rule", "predictions-cola-default", "drift"), stable_uuid("rule", "x", "drift")
    assert one == stable_uuid("rule", "predictions-cola-default", "drift") != other
    assert uuid.UUID(one).version == 4
