"""The flat columns of a prediction, from the model's signature: their names and types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from mlspec.records.bundle_signature import BundleSignature

Kind = Literal["number", "category", "text", "image"]
SqlType = Literal["UUID", "TIMESTAMPTZ", "VARCHAR", "INTEGER", "DOUBLE"]

COMMON: Final[Mapping[str, SqlType]] = {
    "id": "UUID",
    "time": "TIMESTAMPTZ",
    "request_id": "VARCHAR",
    "row": "INTEGER",
    "version": "VARCHAR",
    "front": "VARCHAR",
    "route": "VARCHAR",
    "status": "INTEGER",
    "outcome": "VARCHAR",
    "error": "VARCHAR",
    "latency_ms": "DOUBLE",
    "weight": "DOUBLE",
}
"""Columns of every prediction."""
LENGTHS: Final = ("characters", "words")
"""Measures of a text."""
PIXELS: Final = ("mean", "contrast")
"""Measures of an image."""


@dataclass(frozen=True)
class LogColumns:
    """The inputs with their kinds, and what is predicted: labels, or a number (`labels` empty).

    A hashed input is a category, whatever its type in the signature: only equality of its values is known.
    """

    inputs: Mapping[str, Kind]
    labels: tuple[str, ...]

    @classmethod
    def of(cls, signature: BundleSignature, hashed: frozenset[str] = frozenset()) -> LogColumns:
        """The columns of a model; `hashed` are the inputs of which the log has only hashes."""
        inputs: dict[str, Kind] = {i.name: "category" if i.name in hashed else i.type for i in signature.inputs}
        return cls(inputs, signature.labels)

    @property
    def types(self) -> dict[str, SqlType]:
        """Every column with its type, in the order of the view `predictions`."""
        types: dict[str, SqlType] = dict(COMMON)
        for name, kind in self.inputs.items():
            if kind != "image":
                types[f"input.{name}"] = "DOUBLE" if kind == "number" else "VARCHAR"
            for measure in LENGTHS if kind == "text" else PIXELS if kind == "image" else ():
                types[f"{measure}.{name}"] = "DOUBLE"
        if not self.labels:
            return types | {"value": "DOUBLE"}
        return types | {"label": "VARCHAR", "score": "DOUBLE"} | {f"probability.{n}": "DOUBLE" for n in self.labels}
