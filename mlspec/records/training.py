"""The result of a training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from mlspec.records.record_file import OPTIONAL, Measured, Record, Value


class Best(Value):
    """The checkpoint that is kept."""

    monitor: str = Field(description="Name of the metric that chose it")
    mode: Literal["min", "max"] = Field("min", description="Which direction is better")
    value: Measured = Field(None, description="Its value of that metric")
    epoch: int = Field(description="Counted from 1")
    step: int = Field(0, description="Optimizer steps until then")


class Training(Record):
    """A finished training."""

    FILE: ClassVar[str] = "metrics/train.json"
    STAGE: ClassVar[str] = "train"

    epochs: int = Field(description="Epochs that ran")
    steps: int = Field(description="Optimizer steps that ran")
    best: Best = Field(description="The checkpoint that is kept")
    valid: Mapping[str, Measured] = Field({}, description="Every metric logged in validation, at that checkpoint")
    undefined: Mapping[str, str] = Field({}, description="Why a metric has no value", json_schema_extra=OPTIONAL)
