from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import orjson
import pytest

from mlspec.elastic.stream_provider import leaves
from mlspec.parts.monitor.fields import mappings
from mlspec.runtime.elastic_document import document
from tests.esql_as_sql import flat
from tests.parts.targets import BASE, PACKAGE, codes, files

TABLE = BASE.replace("{sentence: text}", "{town: category, age: number}").replace("text-classifier", "tabular")


def body(folder: Path, name: str, monitor: str, base: str = BASE, of: str = "elasticsearch") -> Any:
    return json.loads(files(folder, f"monitor: {monitor}\n", base)[f"{of}/{name}.json"])


def properties(folder: Path, monitor: str, base: str = BASE) -> Any:
    return body(folder, "component-template", monitor, base)["template"]["mappings"]["properties"]


def test_inputs_become_typed_fields() -> None:
    inputs = {"sentence": "text", "age": "number", "city": "category", "photo": "image"}
    fields: Any = mappings(inputs, (), "classification")["properties"]
    kinds = {name: field["type"] for name, field in fields["inputs"]["properties"].items()}
    assert kinds == {"sentence": "match_only_text", "age": "double", "city": "keyword", "photo": "keyword"}
    assert set(fields["lengths"]["properties"]) == {"sentence"}
    assert set(fields["images"]["properties"]) == {"photo"}
    assert {"label", "score", "unsure"} <= fields["prediction"]["properties"].keys()
    regression: Any = mappings(inputs, (), "regression")["properties"]
    assert "value" in regression["prediction"]["properties"]
    assert not {"label", "score"} & regression["prediction"]["properties"].keys()


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_every_field_is_written_by_a_server_the_pipeline_or_the_monitor(
    task: Literal["classification", "regression"],
) -> None:
    """A field that is always empty is a promise in Kibana's list of fields that nothing keeps."""
    inputs = {"sentence": "text", "age": "number", "city": "category", "photo": "image"}
    fields: Any = mappings(inputs, (), task)["properties"]
    predicted = {"label": "yes", "score": 0.4, "probabilities": {}} if task == "classification" else {"value": 2.5}
    record = {
        "id": "1", "time": "2026-11-27T10:00:00Z", "outcome": "failed", "latency_ms": 1.5, "model": "cola",
        "version": "1", "request_id": "r", "status": 500, "route": "/predict", "error": "failed", "row": 0,
        "front": "http", "weight": 1.0, "inputs": dict.fromkeys(inputs, "x"), "prediction": predicted,
        "lengths": {"sentence": {"characters": 3, "words": 1}},
        "images": {"photo": {"digest": "0", "mean": 0.5, "contrast": 0.1}},
    }  # fmt: skip
    source = document(orjson.dumps(record), 0.5, {"city": {"Bonn"}}).source
    written = {path.removesuffix(".keyword") for path in flat([source])[0]} | {"event.ingested"}
    fields.pop("monitor")
    assert set(leaves(fields)) - {"prediction.probabilities"} == {p for p in written if "probabilities" not in p}


def test_every_number_survives_a_malformed_value() -> None:
    """One bad value of one column must not refuse the whole document."""
    fields: Any = mappings({"age": "number"}, (), "classification")["properties"]
    numbers = [
        field for field in leaves_of(fields) if field["type"] in ("byte", "short", "integer", "long", "float", "double")
    ]
    assert len(numbers) > 10
    assert all(field["ignore_malformed"] is True for field in numbers)


def leaves_of(fields: dict[str, Any]) -> list[dict[str, Any]]:
    below = [leaf for field in fields.values() if "properties" in field for leaf in leaves_of(field["properties"])]
    return [field for field in fields.values() if "properties" not in field] + below


def test_what_is_redacted_has_no_field_and_is_removed_on_arrival(tmp_path: Path) -> None:
    monitor = "{elasticsearch: {redact: [sentence]}}"
    assert properties(tmp_path, monitor)["inputs"]["properties"] == {}
    assert {"remove": {"field": ["inputs.sentence"], "ignore_missing": True}} in body(tmp_path, "pipeline", monitor)[
        "processors"
    ]


def test_a_chart_has_no_line_for_what_the_documents_do_not_have(tmp_path: Path) -> None:
    """An input that is redacted has no field, and of a hashed category it is not known whether a value is new."""
    base = TABLE.replace("town: category", "town: category, shop: category, name: category")
    monitor = "{elasticsearch: {}, log: {columns: {name: redacted, town: hashed}}}"
    panels = {panel["id"]: panel for panel in body(tmp_path, "dashboard", monitor, base, "kibana")["panels"]}
    lines = {
        name: [value["label"] for value in panels[name]["config"]["layers"][0]["y"]] for name in ("missing", "unseen")
    }
    assert lines == {"missing": ["town", "shop", "age"], "unseen": ["shop"]}


@pytest.mark.parametrize(
    ("columns", "alert", "code"),
    [
        ("{town: hashed, age: redacted}", "unseen_rate", "alert-bound"),
        ("{town: redacted}", "unseen_rate", "alert-bound"),
        ("{town: redacted, age: redacted}", "missing_rate", "alert-bound"),
        ("{town: hashed, age: redacted}", "missing_rate", ""),
        ("{age: redacted}", "unseen_rate", ""),
    ],
)
def test_an_alert_on_inputs_that_the_log_does_not_have(columns: str, alert: str, code: str, tmp_path: Path) -> None:
    monitor = f'alerts: {{{alert}: "> 0.1"}}, log: {{columns: {columns}}}'
    assert codes(tmp_path, f"monitor: {{{monitor}}}\n", TABLE) == [code] * bool(code)
    counted = f"{PACKAGE}monitor: {{{monitor}, prometheus: {{}}}}\n"
    assert codes(tmp_path, counted, TABLE) == [], "the server counts them"


def test_a_dot_in_a_column_is_part_of_its_name(tmp_path: Path) -> None:
    base = BASE.replace("{sentence: text}", "{a: text, a.b: text}")
    fields = properties(tmp_path, "{elasticsearch: {}}", base)
    assert fields["inputs"]["subobjects"] == "false"
    assert set(fields["lengths"]["properties"]) == {"a.characters", "a.words", "a.b.characters", "a.b.words"}


def test_the_name_of_the_stream_has_three_parts(tmp_path: Path) -> None:
    base = BASE.replace("name: cola", "name: co-la")
    assert body(tmp_path, "index-template", "{elasticsearch: {}}", base)["index_patterns"] == [
        "predictions-co_la-default",
        "monitor-co_la-default",
    ]
    given = body(tmp_path, "index-template", "{elasticsearch: {namespace: eu}}", base)
    assert given["index_patterns"][0] == "predictions-co_la-eu"
    old = body(tmp_path, "index-template", "{elasticsearch: {index: predictions-cola}}", base)
    assert old["index_patterns"] == ["predictions-cola", "monitor-cola"]


def test_replicas_are_left_to_the_cluster(tmp_path: Path) -> None:
    def index(monitor: str) -> Any:
        return body(tmp_path, "component-template", monitor)["template"]["settings"]["index"]

    assert "number_of_replicas" not in index("{elasticsearch: {}}")
    assert index("{elasticsearch: {replicas: 0}}")["number_of_replicas"] == 0
    assert index("{elasticsearch: {}}")["lifecycle"] == {"prefer_ilm": False}


def test_keys_have_the_least_privileges(tmp_path: Path) -> None:
    server = body(tmp_path, "server-key", "{elasticsearch: {}}")["role_descriptors"]["server"]
    assert server["cluster"] == []
    assert server["indices"] == [
        {"names": ["predictions-cola-default"], "privileges": ["create_doc", "auto_configure", "read"]}
    ]
    without = body(tmp_path, "server-key", "{elasticsearch: {ids: false}}")["role_descriptors"]["server"]
    assert without["indices"] == [
        {"names": ["predictions-cola-default"], "privileges": ["create_doc", "auto_configure"]}
    ]
    reader = body(tmp_path, "reader-key", "{elasticsearch: {}}")["role_descriptors"]["reader"]
    assert "predictions-cola-default" not in [
        name for i in reader["indices"] if "create_doc" in i["privileges"] for name in i["names"]
    ]


@pytest.mark.parametrize(
    ("given", "written"), [("30d", "30d"), ("2w", "14d"), ("90m", "90m"), ("36h", "36h"), ("5s", "5s")]
)
def test_retention_is_written_in_units_that_elasticsearch_has(given: str, written: str, tmp_path: Path) -> None:
    index = body(tmp_path, "index-template", f"{{elasticsearch: {{retention: {given}}}}}")
    assert index["template"]["lifecycle"] == {"data_retention": written}


def test_no_secret_enters_a_file(tmp_path: Path) -> None:
    generated = files(tmp_path, "monitor: {elasticsearch: {api_key: {env: MY_KEY_NAME}}}\n")
    assert "MY_KEY_NAME" not in "".join(
        text for path, text in generated.items() if path.startswith(("elastic", "kibana"))
    )


def test_rules_are_asked_for(tmp_path: Path) -> None:
    alerts = (
        'alerts: {error_rate: "> 0.02", p95_ms: ">= 300", silence: 2h, window: 30s, interval: 10s, min_requests: 7}'
    )
    rendered = files(tmp_path, f"monitor: {{elasticsearch: {{index: mine}}, {alerts}}}\n")
    rules = {path: json.loads(text) for path, text in rendered.items() if path.startswith("kibana/rules/")}
    assert set(rules) == {
        f"kibana/rules/{name}.json"
        for name in ("error-rate", "latency", "silence", "drift", "quality", "not-monitored")
    }
    error = rules["kibana/rules/error-rate.json"]
    query = error["params"]["esqlQuery"]["esql"]
    assert query.startswith("FROM mine | ")
    assert query.endswith("WHERE requests >= 7 AND measured > 0.02")
    assert (error["schedule"]["interval"], error["params"]["timeWindowSize"]) == ("10s", 30)
    assert rules["kibana/rules/silence.json"]["params"]["timeWindowSize"] == 120
    late = rules["kibana/rules/not-monitored.json"]  # an hour of runs in a row, in each of which the day has no report
    assert (late["params"]["timeWindowSize"], late["alert_delay"]["active"]) == (1440, 360)


def test_drift_alone_writes_nothing(tmp_path: Path) -> None:
    assert not [p for p in files(tmp_path, "monitor: {drift: {}}\n") if p.startswith(("kibana", "elastic"))]


@pytest.mark.parametrize(
    ("monitor", "code"),
    [
        ("{drift: {columns: [sentense]}}", "unknown-input"),
        ("{drift: {slices: [sentence]}}", "slice-type"),
        ("{drift: {slices: [town]}}", "unknown-input"),
        ("{drift: {slices: {month: {by: month}}}}", "slice-type"),
        ("{drift: {slices: {sentence: {by: length, bins: [2, 1]}}}}", "bad-format"),
        ("{drift: {slices: 3}}", "wrong-type"),
        ("{quality: {slices: [town]}}", "unknown-input"),
        ("{quality: {slices: {town: {}}}}", "unknown-input"),
        ("{quality: {slices: {sentence: {}}}}", "slice-type"),
        ("{quality: {slices: {sentence: {by: length}}}}", "bad-format"),
        ("{quality: {slices: {sentence: {by: length, bins: [2, 1]}}}}", "bad-format"),
        ("{quality: {slices: {month: {by: month, bins: [1]}}}}", "bad-format"),
        ("{quality: {slices: {old: {where: age > 3, column: age}}}}", "bad-format"),
        ("{labels: {}}", "bad-format"),
        ("{labels: {source: labels}}", "bad-format"),
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


IMAGES = """\
project: {name: pets}
data: {source: pets, inputs: {photo: image}, target: {column: kind, labels: [cat, dog]}}
model: {type: image-classifier}
"""


def test_an_alert_on_missing_values_needs_an_input_that_can_be_missing(tmp_path: Path) -> None:
    alert = 'monitor: {alerts: {missing_rate: "> 0.1"}}\n'
    assert codes(tmp_path, alert, IMAGES) == ["alert-bound"]
    assert codes(tmp_path, alert) == []
