"""How the exported graph compares with the trained model."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from mlspec.records.record_file import Finite, Record, Value


class Checked(Value):
    """One batch for which the outputs of both models were compared."""

    batch: int = Field(description="Rows")
    length: int = Field(description="Longest sequence in it; 0 without sequences")
    difference: Finite = Field(description="Largest absolute difference of the raw outputs")


class Parity(Value):
    """How far the raw outputs of the graph are from those of the PyTorch model."""

    max_abs_difference: Finite = Field(description="Over all batches")
    checked: tuple[Checked, ...] = Field((), description="Batches that were compared")


class Compared(Value):
    """One metric on all rows of the test split, computed with both models."""

    name: str = Field(description="Name of the metric")
    torch: Finite = Field(description="Its value with PyTorch")
    onnx: Finite = Field(description="Its value with ONNX Runtime")


class Int8(Value):
    """The quantized graph, which replaces the float graph."""

    metric: Finite = Field(description="Value of the metric with the quantized graph")
    drop: Finite = Field(description="How much worse than with PyTorch; below 0 where it is better")
    size_bytes: int = Field(description="Size of the quantized graph")


class Export(Record):
    """How the exported graph compares with the trained model."""

    FILE: ClassVar[str] = "metrics/export.json"
    STAGE: ClassVar[str] = "export"

    opset: int = Field(description="Version of the ONNX operators")
    parity: Parity = Field(description="Comparison of the raw outputs")
    metric: Compared = Field(description="Comparison of one metric")
    size_bytes: int = Field(description="Size of the float graph")
    int8: Int8 | None = Field(None, description="null without quantization")
