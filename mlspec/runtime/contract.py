"""A bundle's signature in the words of those who ask: the one description that HTTP and Lambda answer by."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from mlspec.runtime.signature import Signature

Kind: TypeAlias = Literal["text", "number", "category", "image"]
DATATYPES: Final[dict[Kind, str]] = {"text": "BYTES", "category": "BYTES", "image": "BYTES", "number": "FP64"}
"""Each kind of input in the words of the Open Inference Protocol."""


@dataclass(frozen=True, slots=True)
class OutputField:
    """One tensor of the answer: `shape` without the row axis, so `()` for one value a row."""

    name: str
    datatype: str
    shape: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Contract:
    """The model's name, its inputs in order, and its labels (none for a regression)."""

    name: str
    version: str
    inputs: dict[str, Kind]
    labels: tuple[str, ...] = ()

    @property
    def outputs(self) -> tuple[OutputField, ...]:
        """The tensors that an answer has."""
        if not self.labels:
            return (OutputField("value", "FP64"),)
        return (
            OutputField("label", "BYTES"),
            OutputField("score", "FP64"),
            OutputField("probabilities", "FP64", (len(self.labels),)),
        )


def of(signature: Signature) -> Contract:
    """The contract of a bundle with that signature.

    The version is what `MODEL_VERSION` says, which the image sets to the release; `1` elsewhere.
    """
    inputs = {entry["name"]: entry["type"] for entry in signature.inputs}
    return Contract(signature.name, os.environ.get("MODEL_VERSION", "1"), inputs, signature.labels)
