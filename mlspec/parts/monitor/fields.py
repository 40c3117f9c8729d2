"""One prediction as a document: its fields with their Elasticsearch types. Pure.

`failed`, `unsure` are 0 or 1, so that their average is a rate in every tool that can average.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, Literal

_KEYWORD: Final[dict[str, object]] = {"type": "keyword", "ignore_above": 1024}
_INPUTS: Final[Mapping[str, dict[str, object]]] = {
    "text": {"type": "match_only_text"},
    "number": {"type": "double"},
    "category": dict(_KEYWORD),
    "image": {"type": "keyword", "index": False, "doc_values": False, "ignore_above": 64},
}
"""Of an image only the digest is stored."""


def mappings(
    inputs: Mapping[str, str],
    redacted: Collection[str],
    task: Literal["classification", "regression"],
    meta: dict[str, object],
) -> dict[str, object]:
    """The mappings of the index: closed, so that an unknown key is kept in `_source` and adds no field."""
    return {"dynamic": "false", "_meta": meta, "properties": _properties(inputs, redacted, task)}


def _properties(inputs: Mapping[str, str], redacted: Collection[str], task: str) -> dict[str, object]:
    return {
        "@timestamp": {"type": "date"},
        "request_id": _KEYWORD,
        "model": _group({"name": _KEYWORD, "version": _KEYWORD}),
        "route": _KEYWORD,
        "status": {"type": "short"},
        "outcome": _KEYWORD,
        "failed": {"type": "byte"},
        "unsure": {"type": "byte"},
        "error": _group({"code": _KEYWORD, "message": {"type": "match_only_text"}}),
        "latency_ms": {"type": "float"},
        "cold_start": {"type": "boolean"},
        "inputs": _inputs(inputs, redacted),
        "lengths": _group({name: {"type": "integer"} for name, kind in inputs.items() if kind == "text"}),
        "prediction": _group(_prediction(task)),
    }


def _inputs(inputs: Mapping[str, str], redacted: Collection[str]) -> dict[str, object]:
    return _group({name: _INPUTS[kind] for name, kind in inputs.items() if name not in redacted})


def _group(properties: dict[str, object]) -> dict[str, object]:
    """An object with those fields; a dot in a column's name is part of the name."""
    dotted = any("." in name for name in properties)
    return {"type": "object", **({"subobjects": "false"} if dotted else {}), "properties": properties}


def _prediction(task: str) -> dict[str, object]:
    if task == "regression":
        return {"value": {"type": "double"}}
    return {"label": _KEYWORD, "score": {"type": "float"}, "probabilities": {"type": "object", "enabled": False}}


def index_template(stream: str, mapped: dict[str, object], retention_seconds: int, replicas: int) -> dict[str, object]:
    """Body of `PUT _index_template/NAME`: a data stream whose documents Elasticsearch deletes after the retention."""
    return {
        "index_patterns": [stream],
        "data_stream": {},
        "priority": 500,
        "template": {
            "settings": {"index": {"number_of_replicas": replicas, "codec": "best_compression"}},
            "mappings": mapped,
            "lifecycle": {"data_retention": _duration(retention_seconds)},
        },
        "_meta": mapped["_meta"],
    }


def _duration(seconds: int) -> str:
    """A time value in the largest unit in which it is a whole number."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
