"""The inputs and the target of the model, as in the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from mlspec.records.record_file import OPTIONAL, Record, Value


class InputSchema(Value):
    """One input of the model."""

    type: Literal["number", "category", "text", "image"] = Field(description="Kind of input")
    values: tuple[str, ...] | None = Field(None, description="Of a category, sorted", json_schema_extra=OPTIONAL)
    channels: int | None = Field(None, description="Of an image: 1 or 3", json_schema_extra=OPTIONAL)
    height: int | None = Field(None, description="Of an image, in pixels", json_schema_extra=OPTIONAL)
    width: int | None = Field(None, description="Of an image, in pixels", json_schema_extra=OPTIONAL)
    background: str | None = Field(None, description="Colour behind transparent pixels", json_schema_extra=OPTIONAL)


class TargetSchema(Value):
    """What the model predicts."""

    column: str = Field(description="Name of the column")
    type: Literal["class", "number"] = Field(description="class: a classification; number: a regression")
    labels: tuple[str, ...] | None = Field(
        None, description="Of a class; the parquet files hold indices into them", json_schema_extra=OPTIONAL
    )


class Schema(Record):
    """The inputs by name, in the order of the spec, and the target."""

    FILE: ClassVar[str] = "data/schema.json"
    STAGE: ClassVar[str] = "data"

    inputs: Mapping[str, InputSchema] = Field(description="By name, in the order of the spec")
    target: TargetSchema = Field(description="What the model predicts")

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of a class target; empty for a number."""
        return self.target.labels or ()

    @property
    def task(self) -> Literal["classification", "regression"]:
        """What kind of prediction the model makes."""
        return "classification" if self.target.type == "class" else "regression"
