"""The published contracts of Elasticsearch and Kibana as validators of requests."""

from __future__ import annotations

import functools
import json
import os
import re
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from tests.conftest import missing

_FRAGMENTS = Path(__file__).with_name("contract_fragments.json")
_DATA_VIEW = Path(__file__).with_name("data_view_contract.json")
ELASTICSEARCH, DASHBOARDS, ALERTING = "elasticsearch", "kibana-dashboards", "kibana-alerting"


@functools.cache
def contract(name: str) -> dict[str, Any]:
    """A contract; what its schemas mark as optional is not required."""
    folder = os.environ.get("MLSPEC_CONTRACTS")
    file = Path(folder or "", f"{name}-openapi.json")
    if not folder or not file.is_file():
        missing("the published contracts of Elasticsearch and Kibana (MLSPEC_CONTRACTS=folder)")
    api: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if name == ELASTICSEARCH:
        api["paths"] |= json.loads(_FRAGMENTS.read_text(encoding="utf-8"))["paths"]
    optional = {
        f"#/components/schemas/{schema}"
        for schema, body in api["components"]["schemas"].items()
        if body.get("x-oas-optional")
    }
    _relax(api, optional)
    for schema in api["components"]["schemas"].values():  # a value of the user's, which may be of any type
        for part in schema.get("allOf", []):
            value = part.get("properties", {}).get("value", {})
            if value.get("type") == "object" and "properties" not in value:
                del value["type"]
    return api


def _relax(node: Any, optional: set[str]) -> None:
    """Take optional properties and those with a default out of `required`; close objects that list their properties."""
    if isinstance(node, list):
        for each in node:
            _relax(each, optional)
    if not isinstance(node, dict):
        return
    properties = node.get("properties")
    if isinstance(node.get("required"), list) and isinstance(properties, dict):
        node["required"] = [name for name in node["required"] if properties.get(name, {}).get("$ref") not in optional]
    for each in node.values():
        _relax(each, optional)


@functools.cache
def validator(name: str, path: str, method: str) -> Draft202012Validator | None:
    """The validator of the body of a request; None where the contract describes none."""
    api = contract(name)
    for template, operations in api["paths"].items():
        if re.fullmatch(re.sub(r"\\{[^}]+\\}", "[^/]+", re.escape(template)), path) and method.lower() in operations:
            body = operations[method.lower()].get("requestBody")
            if body is None:
                return None
            body = api["components"]["requestBodies"][body["$ref"].rpartition("/")[2]] if "$ref" in body else body
            schema = body["content"]["application/json"]["schema"]
            return Draft202012Validator({**schema, "components": api["components"]})
    raise AssertionError(f"{name} has no {method} {path}")


def faults(name: str, path: str, method: str, body: Any) -> list[str]:
    """What the contract says against a request."""
    checked = validator(name, path, method)
    if checked is None:
        return [] if body is None else [f"{method} {path} takes no body"]
    if body is None and method == "POST" and path.endswith("/_rollover"):
        return []  # its body is optional
    known = checked.schema.get("properties", {}) if isinstance(checked.schema, dict) else {}
    unknown = [f"unknown key {key}" for key in body if known and key not in known]
    return [
        *unknown,
        *(f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}" for error in checked.iter_errors(body)),
    ]


def rule_faults(path: str, method: str, body: Any) -> list[str]:
    """What the contract says against an alert rule, and Kibana 9.1 against what it has besides: its guide."""
    artifacts = {key: body[key] for key in body.keys() & {"artifacts"}}
    errors = Draft202012Validator(_ARTIFACTS).iter_errors(artifacts)
    rest = {key: value for key, value in body.items() if key not in artifacts}
    return faults(ALERTING, path, method, rest) + [error.message[:300] for error in errors]


_ARTIFACTS = {
    "properties": {
        "artifacts": {
            "properties": {
                "dashboards": {
                    "items": {
                        "properties": {"id": {"type": "string"}},
                        "required": ["id"],
                        "additionalProperties": False,
                    },
                    "maxItems": 10,
                },
                "investigation_guide": {
                    "properties": {"blob": {"type": "string", "maxLength": 1000}},
                    "required": ["blob"],
                    "additionalProperties": False,
                },
            },
            "additionalProperties": False,
        }
    }
}


def data_view_faults(body: Any) -> list[str]:
    """What the documented shape of a data view says against it."""
    schema = json.loads(_DATA_VIEW.read_text(encoding="utf-8"))
    errors = Draft202012Validator(schema).iter_errors(body)
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}" for error in errors]


def template_faults(body: Any) -> list[str]:
    """What the contract says against a component template: each field by itself, since the contract's alternatives for
    fields within fields within fields take minutes."""
    mappings = body["template"]["mappings"]
    bare = {**body, "template": {**body["template"], "mappings": {**mappings, "properties": {}}}}
    field = schema_validator(ELASTICSEARCH, "_types.mapping.Property")
    kinds = {json.dumps(leaf, sort_keys=True): leaf for leaf in _fields(mappings["properties"])}
    wrong = [f"{text}: {error.message[:200]}" for text, leaf in kinds.items() for error in field.iter_errors(leaf)]
    return faults(ELASTICSEARCH, "/_component_template/x", "PUT", bare) + wrong


def mapping_faults(path: str, body: Any) -> list[str]:
    """What the contract says against fields that are added to a data stream, each by itself."""
    field = schema_validator(ELASTICSEARCH, "_types.mapping.Property")
    wrong = [f"{leaf}: {e.message[:200]}" for leaf in _fields(body["properties"]) for e in field.iter_errors(leaf)]
    return faults(ELASTICSEARCH, path, "PUT", {**body, "properties": {}}) + wrong


def _fields(properties: Any) -> list[Any]:
    """Every field, an object without the fields in it."""
    inner = [leaf for field in properties.values() for leaf in _fields(field.get("properties", {}))]
    return [{**field, "properties": {}} if "properties" in field else field for field in properties.values()] + inner


CHARTS = {"metric": "metricESQL", "xy": "xyChartESQL", "data_table": "datatableESQL"}


def dashboard_faults(body: Any) -> list[str]:
    """What the contract says against a dashboard: the frame as a whole, each chart by the schema of its own type.

    Trying each panel against the forty-odd alternatives of the contract takes minutes.
    """
    frame = {**body, "panels": [{**panel, "config": _MARKDOWN, "type": "markdown"} for panel in body["panels"][:1]]}
    result = faults(DASHBOARDS, "/api/dashboards/x", "PUT", frame)
    panel = schema_validator(DASHBOARDS, "kbn-dashboard-panel-type-vis", without="config")
    for shown in body["panels"]:
        result += [f"{shown['id']}: {e.message[:200]}" for e in panel.iter_errors({**shown, "config": {}})]
        config = schema_validator(DASHBOARDS, CHARTS[shown["config"]["type"]])
        result += [
            f"{shown['id']} {'/'.join(map(str, e.absolute_path))}: {e.message[:200]}"
            for e in config.iter_errors(shown["config"])
        ]
    return result


_MARKDOWN = {"content": "x", "settings": {}}


@functools.cache
def schema_validator(name: str, schema: str, without: str = "") -> Draft202012Validator:
    """The validator of one schema of a contract, anything being allowed at its property `without`."""
    api = contract(name)
    body = api["components"]["schemas"][schema]
    if without:
        body = {**body, "properties": {**body["properties"], without: {}}}
    return Draft202012Validator({**body, "components": api["components"]})
