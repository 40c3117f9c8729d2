"""Metrics of the trained model on the test split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from mlspec.records.record_file import Finite, Measured, Record, Value


class Constant(Value):
    """The baseline: the constant prediction that scores best on all rows."""

    answer: str | Finite = Field(description="A label, or a number")
    metrics: Mapping[str, Measured] = Field({}, description="Its metrics on all rows")


class SliceMetrics(Value):
    """The rows of the test split with one value of a column."""

    rows: int = Field(description="Rows of the slice")
    metrics: Mapping[str, Measured] = Field({}, description="By name; null where not defined on these rows")


class Calibration(Value):
    """How well confidences match accuracies."""

    ece: Finite = Field(description="Expected calibration error, 0..1")


class Evaluation(Record):
    """The metrics of the trained model."""

    FILE: ClassVar[str] = "metrics/evaluate.json"
    STAGE: ClassVar[str] = "evaluate"

    task: Literal["classification", "regression"] = Field(description="Kind of prediction")
    split: str = Field("test", description="The split that was measured")
    rows: int = Field(description="Rows of the split")
    metrics: Mapping[str, Measured] = Field(description="By name; null where a metric is not defined on these rows")
    constant: Constant | None = Field(None, description="Majority class or constant, as a baseline")
    per_class: Mapping[str, Mapping[str, Measured]] = Field(
        {}, description="By label: precision, recall, f1 (0..1) and support (rows)"
    )
    slices: Mapping[str, SliceMetrics] = Field({}, description="By `column=value`")
    calibration: Calibration | None = Field(None, description="null for a regression")
    undefined: Mapping[str, str] = Field({}, description="Why a metric has no value, by name")
