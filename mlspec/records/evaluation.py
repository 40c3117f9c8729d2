"""What the stage `evaluate` measured on the test split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from mlspec.records.record_file import Finite, Measured, Record, Value


class Constant(Value):
    """The baseline: the one answer that scores best when every row gets it."""

    answer: str | Finite = Field(description="A label, or a number")
    metrics: Mapping[str, Measured] = Field({}, description="What it scores")


class SliceMetrics(Value):
    """The rows of the test split that have something in common."""

    rows: int
    metrics: Mapping[str, Measured] = {}


class Calibration(Value):
    """How well confidence agrees with accuracy."""

    ece: Finite = Field(description="Expected calibration error, 0..1")


class Evaluation(Record):
    """The metrics of the trained model."""

    FILE: ClassVar[str] = "metrics/evaluate.json"
    STAGE: ClassVar[str] = "evaluate"

    task: Literal["classification", "regression"]
    split: str = "test"
    rows: int = Field(description="Rows of the split")
    metrics: Mapping[str, Measured] = Field(description="By name; null where a metric is not defined on these rows")
    constant: Constant | None = Field(None, description="Majority class or constant, as a baseline")
    per_class: Mapping[str, Mapping[str, Measured]] = Field(
        {}, description="By label: precision, recall, f1 (0..1) and support (rows)"
    )
    slices: Mapping[str, SliceMetrics] = Field({}, description="By `column=value`")
    calibration: Calibration | None = Field(None, description="null for a number")
    undefined: Mapping[str, str] = Field({}, description="Why a metric has no value, by name")
