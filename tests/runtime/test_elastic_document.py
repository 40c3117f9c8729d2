from __future__ import annotations

import json
from typing import Any

import pytest

from mlspec.runtime.elastic_document import document
from tests.runtime.answered import OK, ROW, encoder, refused, request

KNOWN = {"town": frozenset({"Bonn", "Köln"})}


def source(line: bytes, low: float = 0.5) -> dict[str, Any]:
    each = document(line, low, KNOWN)
    assert each.id == json.loads(line)["id"]
    return dict(each.source)


def test_a_prediction_has_the_fields_of_the_elastic_common_schema() -> None:
    (line,) = encoder().lines(request()).lines
    assert source(line) == {
        "@timestamp": "2026-11-27T14:48:45.123Z",
        "event": {"kind": "event", "outcome": "success", "duration": 3_210_000},
        "service": {"name": "cola", "version": "7"},
        "http": {"request": {"id": "r1"}, "response": {"status_code": 200}},
        "url": {"path": "/predict"},
        "prediction": {**OK, "unsure": 0, "failed": 0, "row": 0, "front": "http", "weight": 1.0},
        "inputs": ROW,
        "lengths": {"sentence": {"characters": 11, "words": 3}},
        "missing": {name: int(value is None) for name, value in ROW.items()},
    }
    assert source(line, 0.95)["prediction"]["unsure"] == 1


@pytest.mark.parametrize(("status", "failed"), [(422, 0), (499, 0), (500, 1), (503, 1)])
def test_a_request_without_a_prediction(status: int, failed: int) -> None:
    (line,) = encoder().lines(refused(status, "some-code")).lines
    whole = source(line)
    assert whole["event"]["outcome"] == "failure"
    assert whole["error"] == {"type": "some-code"}
    assert whole["prediction"] == {"failed": failed, "row": None, "front": "http", "weight": 1.0}
    assert "inputs" not in whole


def test_a_regression_is_never_unsure() -> None:
    (line,) = encoder().lines(request(predictions=[{"value": 2.5}])).lines
    assert source(line)["prediction"] == {"value": 2.5, "failed": 0, "row": 0, "front": "http", "weight": 1.0}


def test_missing_and_unseen_values_are_flags() -> None:
    (line,) = encoder().lines(request()).lines
    record = json.loads(line) | {"inputs": {"town": "Trier", "age": None}}
    flags = source(json.dumps(record).encode())
    assert flags["missing"] == {"town": 0, "age": 1}
    assert flags["unseen"] == {"town": 1}
    record["inputs"] = {"town": None, "age": 1.0}
    assert "unseen" not in source(json.dumps(record).encode())
