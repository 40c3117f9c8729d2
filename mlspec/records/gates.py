"""The bounds of `evaluate.gates`, and whether the model passes them."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from mlspec.records.record_file import OPTIONAL, Measured, Record, Value


class Gate(Value):
    """One bound on a metric."""

    metric: str = Field(description="As in evaluate.gates: `mcc`, `recall[spam]`, `accuracy[origin=*]`")
    bound: str = Field(description="`>= 0.2`")
    value: Measured = Field(None, description="null where the metric is not defined")
    passed: bool = Field(description="Whether the value is within the bound")
    slice: str = Field(
        "", description="Of a gate on every slice: the one furthest from the bound", json_schema_extra=OPTIONAL
    )


class Gates(Record):
    """All gates. `evaluate/passed.json` exists only where all are passed: stages after the gate depend on it."""

    FILE: ClassVar[str] = "metrics/gates.json"
    STAGE: ClassVar[str] = "gate"

    passed: bool = Field(description="Whether all gates are passed")
    gates: tuple[Gate, ...] = Field((), description="In the order of the spec")
