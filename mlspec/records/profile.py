"""Statistics of the training data: the reference that drift is measured against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from mlspec.records.record_file import OPTIONAL, Finite, Record, Value

ColumnType = Literal["number", "category", "text", "image", "class"]


class Histogram(Value):
    """Equal-width bins: one edge more than counts."""

    edges: tuple[Finite, ...] = Field(description="Edges of the bins, ascending")
    counts: tuple[int, ...] = Field(description="Rows in each bin")


class Distribution(Value):
    """Statistics of numbers; without keys where there are no numbers."""

    mean: Finite | None = Field(None, description="Mean", json_schema_extra=OPTIONAL)
    std: Finite | None = Field(None, description="Standard deviation", json_schema_extra=OPTIONAL)
    min: Finite | None = Field(None, description="Smallest value", json_schema_extra=OPTIONAL)
    max: Finite | None = Field(None, description="Largest value", json_schema_extra=OPTIONAL)
    quantiles: Mapping[str, Finite] = Field({}, description='By share: "0.05"', json_schema_extra=OPTIONAL)
    histogram: Histogram | None = Field(None, description="Counts of equal-width bins", json_schema_extra=OPTIONAL)


class ValueCount(Value):
    """A frequent value of a category."""

    value: str = Field(description="The value")
    count: int = Field(description="Rows that have it")


class ColumnProfile(Value):
    """One column of the training split. Which keys it has follows from its type."""

    type: ColumnType = Field(description="As in data/schema.json; class is a target with labels")
    count: int = Field(description="Rows that have a value")
    missing: int = Field(0, description="Rows that have none")
    mean: Finite | None = Field(None, description="Mean of a number, or of pixels 0..1", json_schema_extra=OPTIONAL)
    std: Finite | None = Field(None, description="Standard deviation", json_schema_extra=OPTIONAL)
    min: Finite | None = Field(None, description="Smallest value", json_schema_extra=OPTIONAL)
    max: Finite | None = Field(None, description="Largest value", json_schema_extra=OPTIONAL)
    quantiles: Mapping[str, Finite] = Field({}, description='By share: "0.05"', json_schema_extra=OPTIONAL)
    histogram: Histogram | None = Field(None, description="Counts of equal-width bins", json_schema_extra=OPTIONAL)
    lengths: Distribution | None = Field(None, description="Of texts, in characters", json_schema_extra=OPTIONAL)
    unique: int | None = Field(None, description="Different values of a category or text", json_schema_extra=OPTIONAL)
    top: tuple[ValueCount, ...] = Field((), description="The most frequent ones", json_schema_extra=OPTIONAL)
    channels: int | None = Field(None, description="Of images: 1 or 3", json_schema_extra=OPTIONAL)
    height: int | None = Field(None, description="Of images: the most frequent, in pixels", json_schema_extra=OPTIONAL)
    width: int | None = Field(None, description="Of images: the most frequent, in pixels", json_schema_extra=OPTIONAL)
    sizes: int | None = Field(None, description="Different sizes of images", json_schema_extra=OPTIONAL)
    brightness: Distribution | None = Field(None, description="Of images, 0..1", json_schema_extra=OPTIONAL)
    shares: Mapping[str, Finite] = Field({}, description="Of a class target, by label", json_schema_extra=OPTIONAL)

    @property
    def distribution(self) -> Distribution:
        """The statistics of the numbers; of texts those of their lengths."""
        if self.lengths is not None:
            return self.lengths
        return Distribution(
            mean=self.mean,
            std=self.std,
            min=self.min,
            max=self.max,
            quantiles=self.quantiles,
            histogram=self.histogram,
        )


class Profile(Record):
    """All columns of the training split, and the size of every split."""

    FILE: ClassVar[str] = "data/profile.json"
    STAGE: ClassVar[str] = "data"

    rows: int = Field(description="Rows of all splits")
    splits: Mapping[str, int] = Field(description="Rows of each split")
    columns: Mapping[str, ColumnProfile] = Field({}, description="By name")
