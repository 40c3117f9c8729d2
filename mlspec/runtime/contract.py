"""The interface of a served model, derived from its signature, for HTTP and Lambda."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from mlspec.runtime.signature import Signature

Kind: TypeAlias = Literal["text", "number", "category", "image"]
DATATYPES: Final[dict[Kind, str]] = {"text": "BYTES", "category": "BYTES", "image": "BYTES", "number": "FP64"}
"""The datatype in the Open Inference Protocol for each kind of input."""


@dataclass(frozen=True, slots=True)
class OutputField:
    """One output tensor; `shape` is without the batch dimension, so `()` for one value per row."""

    name: str
    datatype: str
    shape: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Contract:
    """The name and version of the model, its inputs in order, and its labels (empty for a regression)."""

    name: str
    version: str
    inputs: dict[str, Kind]
    labels: tuple[str, ...] = ()
    examples: Mapping[str, object] = field(default_factory=dict)
    """A typical value of an input, for the documentation; not of every input."""

    @property
    def outputs(self) -> tuple[OutputField, ...]:
        """The output tensors."""
        if not self.labels:
            return (OutputField("value", "FP64"),)
        return (
            OutputField("label", "BYTES"),
            OutputField("score", "FP64"),
            OutputField("probabilities", "FP64", (len(self.labels),)),
        )


def of(signature: Signature, version: str) -> Contract:
    """The contract of a bundle with that signature and version."""
    inputs = {entry["name"]: entry["type"] for entry in signature.inputs}
    examples = {entry["name"]: entry["example"] for entry in signature.inputs if "example" in entry}
    return Contract(signature.name, version, inputs, signature.labels, examples)
