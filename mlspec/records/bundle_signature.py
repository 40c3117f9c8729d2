"""What requests to a bundle contain and what its answers mean."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from mlspec.records.record_file import OPTIONAL, Finite, Record, Value


class SignatureInput(Value):
    """One input of a request."""

    name: str = Field(description="Key of a request")
    type: Literal["number", "category", "text", "image"] = Field(description="Kind of input")
    example: int | Finite | str | None = Field(
        None,
        description="For the documentation: the median of a number, the most frequent category",
        json_schema_extra=OPTIONAL,
    )
    channels: int | None = Field(None, description="Of an image: 1 or 3", json_schema_extra=OPTIONAL)
    height: int | None = Field(None, description="Of an image, in pixels", json_schema_extra=OPTIONAL)
    width: int | None = Field(None, description="Of an image, in pixels", json_schema_extra=OPTIONAL)


class SignatureOutput(Value):
    """What an answer contains: `labels` of a classification, `name` of a regression."""

    labels: tuple[str, ...] | None = Field(None, description="In the order of the logits", json_schema_extra=OPTIONAL)
    name: str = Field("", description="Name of the predicted number", json_schema_extra=OPTIONAL)
    threshold: Finite | None = Field(
        None,
        description="With two labels: the probability from which on the second is predicted; without it 0.5",
        json_schema_extra=OPTIONAL,
    )


class SignatureGraph(Value):
    """Names inside `model.onnx`."""

    inputs: tuple[str, ...] = Field(description="Inputs of the graph")
    output: str = Field(description="Output of the graph: logits, or the predicted number")


class BundleSignature(Record):
    """The contract between a bundle and its clients."""

    FILE: ClassVar[str] = "bundle/signature.json"
    STAGE: ClassVar[str] = "export"

    version: int = Field(1, description="Of this format")
    name: str = Field(description="Name of the project")
    task: Literal["classification", "regression"] = Field(description="Kind of prediction")
    inputs: tuple[SignatureInput, ...] = Field(description="What a request contains")
    output: SignatureOutput = Field(description="What an answer contains")
    graph: SignatureGraph = Field(description="Names inside the graph")

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of a classification; empty for a number."""
        return self.output.labels or ()
