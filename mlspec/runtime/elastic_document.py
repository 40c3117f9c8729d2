"""A line of the prediction log to an Elasticsearch document, with field names of the Elastic Common Schema. Pure.

Fields: https://www.elastic.co/docs/reference/ecs. `prediction`, `inputs`, `lengths` and `images` are mlspec's own;
`unsure`, `failed`, `missing.NAME` and `unseen.NAME` are 0 or 1, so that their average is a rate.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Final, NamedTuple, cast

import orjson

_OWN: Final = ("inputs", "lengths", "images")


class ElasticDocument(NamedTuple):
    """A document and its id."""

    id: str
    source: Mapping[str, object]


def document(line: bytes, low_confidence: float, known: Mapping[str, Container[str]]) -> ElasticDocument:
    """The document of a line; a score below `low_confidence` counts as unsure.

    `known` has the values of categories in the training data; an input without them is never unseen.
    """
    record: dict[str, object] = orjson.loads(line)
    source: dict[str, object] = {
        "@timestamp": record["time"],
        "event": {
            "kind": "event",
            "outcome": "success" if record["outcome"] == "success" else "failure",
            "duration": round(cast("float", record["latency_ms"]) * 1_000_000),
        },
        "service": {"name": record["model"], "version": record["version"]},
        "http": {"request": {"id": record["request_id"]}, "response": {"status_code": record["status"]}},
        "url": {"path": record["route"]},
        "prediction": _prediction(record, low_confidence),
    }
    if record.get("error") is not None:
        source["error"] = {"type": record["error"]}
    source |= {name: record[name] for name in _OWN if name in record}
    inputs = cast("Mapping[str, object]", record.get("inputs") or {})
    if inputs:
        source["missing"] = {name: int(value is None) for name, value in inputs.items()}
    if unseen := {n: int(inputs[n] not in known[n]) for n in known if inputs.get(n) is not None}:
        source["unseen"] = unseen
    return ElasticDocument(str(record["id"]), source)


def _prediction(record: Mapping[str, object], low_confidence: float) -> dict[str, object]:
    predicted = cast("Mapping[str, object]", record.get("prediction") or {})
    common = {
        "failed": int(record["outcome"] == "failed"),
        "row": record["row"],
        "front": record["front"],
        "weight": record["weight"],
    }
    score = predicted.get("score")
    unsure = {"unsure": int(score < low_confidence)} if isinstance(score, float | int) else {}
    return {**predicted, **unsure, **common}
