"""How the exported graph compares with the trained model."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from mlspec.records.record_file import Finite, Record, Value


class Checked(Value):
    """One batch that both were given."""

    batch: int = Field(description="Rows")
    length: int = Field(description="Longest sequence in it; 0 without sequences")
    difference: Finite = Field(description="Largest absolute difference of the raw outputs")


class Parity(Value):
    """The comparison of raw outputs."""

    max_abs_difference: Finite
    checked: tuple[Checked, ...] = ()


class Compared(Value):
    """One metric on all rows of the test split, by both."""

    name: str
    torch: Finite
    onnx: Finite


class Int8(Value):
    """The quantized graph, which took the place of the other."""

    metric: Finite
    drop: Finite = Field(description="How much worse than in PyTorch; below 0 where it is better")
    size_bytes: int


class Export(Record):
    """A finished export."""

    FILE: ClassVar[str] = "metrics/export.json"
    STAGE: ClassVar[str] = "export"

    opset: int
    parity: Parity
    metric: Compared
    size_bytes: int = Field(description="Size of the float graph")
    int8: Int8 | None = None
