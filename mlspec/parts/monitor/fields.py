"""One prediction as a document: its fields with their Elasticsearch types. Pure.

Names are those of the Elastic Common Schema where it has them (https://www.elastic.co/docs/reference/ecs); predictions,
inputs and reports are mlspec's own. `failed` and `unsure` are 0 or 1, so that their average is a rate
in every tool that can average.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final, Literal

from pydantic import JsonValue

Properties = Mapping[str, JsonValue]
VERSION: Final = 2
"""Version of the documents: raised whenever a field changes its name or its type."""

_KEYWORD: Final[dict[str, JsonValue]] = {"type": "keyword", "ignore_above": 1024}
_TEXT: Final[dict[str, JsonValue]] = {"type": "match_only_text"}
_IMAGE: Final[dict[str, JsonValue]] = {"type": "keyword", "index": False, "doc_values": False, "ignore_above": 64}


def _number(kind: Literal["byte", "short", "integer", "long", "float", "double"]) -> dict[str, JsonValue]:
    """A number; a document whose value is none is stored without it."""
    return {"type": kind, "ignore_malformed": True}


_INPUTS: Final[Mapping[str, dict[str, JsonValue]]] = {
    "text": _TEXT,
    "number": _number("double"),
    "category": _KEYWORD,
    "image": _IMAGE,
}
"""Of an image only the digest is stored."""


def mappings(
    inputs: Mapping[str, str], redacted: Collection[str], task: Literal["classification", "regression"]
) -> dict[str, JsonValue]:
    """The mappings of the data streams: closed, so that an unknown key is kept in `_source` and adds no field."""
    return {
        "dynamic": "false",
        "properties": {**_request(), **_model(inputs, redacted, task), "monitor": _group(_REPORT)},
    }


def _request() -> dict[str, JsonValue]:
    """Fields of the Elastic Common Schema."""
    return {
        "@timestamp": {"type": "date"},
        "event": _group(
            {
                "kind": _KEYWORD,
                "outcome": _KEYWORD,
                "duration": _number("long"),
                "ingested": {"type": "date"},
            }
        ),
        "service": _group({"name": _KEYWORD, "version": _KEYWORD}),
        "http": _group(
            {
                "request": _group({"id": _KEYWORD}),
                "response": _group({"status_code": _number("short")}),
            }
        ),
        "url": _group({"path": _KEYWORD}),
        "error": _group({"type": _KEYWORD}),
    }


def _model(inputs: Mapping[str, str], redacted: Collection[str], task: str) -> dict[str, JsonValue]:
    """What the model was given, and what it predicted."""
    stored = {name: _INPUTS[kind] for name, kind in inputs.items() if name not in redacted}
    texts = {
        name: _group({"characters": _number("integer"), "words": _number("integer")})
        for name, kind in inputs.items()
        if kind == "text"
    }
    images = {
        name: _group({"digest": _IMAGE, "mean": _number("float"), "contrast": _number("float")})
        for name, kind in inputs.items()
        if kind == "image"
    }
    return {
        "inputs": _group(stored),
        "lengths": _group(texts),
        **({"images": _group(images)} if images else {}),
        "prediction": _group({**_prediction(task), **_common()}),
        **_flags(inputs),
    }


def _prediction(task: str) -> dict[str, JsonValue]:
    if task == "regression":
        return {"value": _number("double")}
    return {
        "label": _KEYWORD,
        "score": _number("float"),
        "unsure": _number("byte"),
        "probabilities": {"type": "object", "enabled": False},
    }


def _common() -> dict[str, JsonValue]:
    """Of every request: whether it failed, which of its rows this is, how it came, and how many it stands for."""
    return {"failed": _number("byte"), "row": _number("integer"), "front": _KEYWORD, "weight": _number("float")}


def _flags(inputs: Mapping[str, str]) -> dict[str, JsonValue]:
    """Whether the value of an input is missing, and of a category, whether the training data has it: 0 or 1."""
    unseen = {name: _number("byte") for name, kind in inputs.items() if kind == "category"}
    missing = {name: _number("byte") for name in inputs}
    return {"missing": _group(missing), **({"unseen": _group(unseen)} if unseen else {})}


_REPORT: Final[dict[str, JsonValue]] = {
    "column": _KEYWORD,
    "kind": _KEYWORD,
    "drift_evidence": _number("double"),
    "drift_share": _number("double"),
    "effect": _number("double"),
    "direction": _KEYWORD,
    "since": {"type": "date"},
    "rows": _number("long"),
    "alarm": _number("byte"),
    "alarms": _number("long"),
    "slice": _KEYWORD,
    "quality_alarm": _number("byte"),
    "slice_alarm": _number("byte"),
    "slice_quality": _number("double"),
    "slice_expected": _number("double"),
    "metric": _KEYWORD,
    "quality": _number("double"),
    "quality_estimated": _number("float"),
    "quality_expected": _number("double"),
    **{f"{name}{end}": _number("double") for name in ("quality", "quality_estimated") for end in ("_low", "_high")},
    "label": _KEYWORD,
    **{f"{name}{end}": _number("double") for name in ("measure", "measure_estimated") for end in ("", "_low", "_high")},
    **{f"slice_measure{end}": _number("double") for end in ("", "_low", "_high", "_tested")},
    "slice_measure_rows": _number("long"),
    "labelled_share": _number("float"),
}
"""A report of `mlspec monitor`: drift of a column, the quality of a version, of a slice that became worse or of a slice
that the test split has, one measure of it, or that it has run."""


def _group(properties: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """An object with those fields; a dot in a column's name is part of the name, so its object has no objects."""
    if not any("." in name for name in properties):
        return {"type": "object", "properties": dict(properties)}
    return {"type": "object", "subobjects": "false", "properties": dict(_flat(properties))}


def _flat(properties: Mapping[str, JsonValue]) -> Iterator[tuple[str, JsonValue]]:
    for name, field in properties.items():
        inner = field.get("properties") if isinstance(field, dict) else None
        if isinstance(inner, dict):
            yield from ((f"{name}.{below}", leaf) for below, leaf in inner.items())
        else:
            yield name, field
