from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlspec.parts.monitor.fields import mappings
from tests.parts.targets import BASE, codes, files


def template(folder: Path, monitor: str, base: str = BASE) -> Any:
    return json.loads(files(folder, f"monitor: {monitor}\n", base)["elasticsearch/index-template.json"])


def test_inputs_become_typed_fields() -> None:
    inputs = {"sentence": "text", "age": "number", "city": "category", "photo": "image"}
    properties = mappings(inputs, (), "classification", {})["properties"]
    kinds = {name: field["type"] for name, field in properties["inputs"]["properties"].items()}
    assert kinds == {"sentence": "match_only_text", "age": "double", "city": "keyword", "photo": "keyword"}
    assert set(properties["lengths"]["properties"]) == {"sentence"}
    assert "score" in properties["prediction"]["properties"]
    assert set(mappings(inputs, (), "regression", {})["properties"]["prediction"]["properties"]) == {"value"}


def test_what_is_redacted_has_no_field(tmp_path: Path) -> None:
    properties = template(tmp_path, "{elasticsearch: {redact: [sentence]}}")["template"]["mappings"]["properties"]
    assert properties["inputs"]["properties"] == {}


def test_a_dot_in_a_column_is_part_of_its_name(tmp_path: Path) -> None:
    base = BASE.replace("{sentence: text}", "{a: number, a.b: number}").replace("text-classifier", "tabular")
    inputs = template(tmp_path, "{elasticsearch: {}}", base)["template"]["mappings"]["properties"]["inputs"]
    assert inputs["subobjects"] == "false"


@pytest.mark.parametrize(
    ("given", "written"), [("30d", "30d"), ("2w", "14d"), ("90m", "90m"), ("36h", "36h"), ("5s", "5s")]
)
def test_retention_is_written_in_units_that_elasticsearch_has(given: str, written: str, tmp_path: Path) -> None:
    found = template(tmp_path, f"{{elasticsearch: {{retention: {given}}}}}")
    assert found["template"]["lifecycle"] == {"data_retention": written}


def test_no_secret_enters_a_file(tmp_path: Path) -> None:
    made = files(tmp_path, "monitor: {elasticsearch: {api_key: {env: MY_KEY_NAME}}}\n")
    assert "MY_KEY_NAME" not in "".join(text for path, text in made.items() if path.startswith(("elastic", "kibana")))


def test_rules_are_asked_for(tmp_path: Path) -> None:
    alerts = (
        'alerts: {error_rate: "> 0.02", p95_ms: ">= 300", silence: 2h, window: 30s, interval: 10s, min_requests: 7}'
    )
    made = files(tmp_path, f"monitor: {{elasticsearch: {{index: mine}}, {alerts}}}\n")
    rules = {path: json.loads(text) for path, text in made.items() if path.startswith("kibana/rules/")}
    assert set(rules) == {f"kibana/rules/{name}.json" for name in ("error-rate", "latency", "silence")}
    error = rules["kibana/rules/error-rate.json"]
    assert error["params"]["esqlQuery"]["esql"] == (
        "FROM mine | STATS requests = COUNT(*), measured = AVG(failed) | WHERE requests >= 7 AND measured > 0.02"
    )
    assert (error["schedule"]["interval"], error["params"]["timeWindowSize"]) == ("10s", 30)
    assert rules["kibana/rules/silence.json"]["params"]["timeWindowSize"] == 120


def test_drift_alone_writes_nothing(tmp_path: Path) -> None:
    assert not [p for p in files(tmp_path, "monitor: {drift: {}}\n") if p.startswith(("kibana", "elastic"))]


@pytest.mark.parametrize(
    ("monitor", "code"),
    [
        ("{drift: {columns: [sentense]}}", "unknown-input"),
        ("{drift: {slices: [sentence]}}", "slice-type"),
        ("{drift: {false_alarms: 1 per 1h, traffic: 10 per 1h}}", "drift-budget"),
        ("{drift: {false_alarms: 0 per 90d}}", "bad-format"),
        ("{drift: {window: 1d}}", "unknown-key"),
        ('{alerts: {error_rate: "< 0.1"}}', "alert-bound"),
        ('{alerts: {unsure_rate: "> 1"}}', "alert-bound"),
        ("{alerts: {interval: 1h}}", "alert-gap"),
        ('{alerts: {error_rate: ">= 0"}}', "alert-bound"),
        ('{alerts: {unseen_rate: "> 0.1"}}', "alert-bound"),
        ('{prometheus: {targets: ["a:1"]}, alerts: {p95_ms: "> 10000"}}', "alert-bound"),
        ("{prometheus: {}}", "no-scrape-target"),
        ("{prometheus: {targets: [predict]}}", "bad-format"),
        ("{prometheus: {runbook: '{{ x }}', targets: ['a:1']}}", "bad-format"),
        ("{prometheus: {labels: {team: '{{ x }}'}, targets: ['a:1']}}", "bad-format"),
        ("{elasticsearch: {url: ftp://x}}", "bad-format"),
        ("{elasticsearch: {index: Big}}", "bad-format"),
    ],
)
def test_faults(monitor: str, code: str, tmp_path: Path) -> None:
    assert codes(tmp_path, f"monitor: {monitor}\n") == [code]


def test_null_means_defaults(tmp_path: Path) -> None:
    assert codes(tmp_path, "monitor:\n") == []
    assert codes(tmp_path, "monitor: {elasticsearch: }\n") == []
