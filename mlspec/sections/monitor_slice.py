"""Options of slices of live data: `monitor.drift.slices` and `monitor.quality.slices`."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from mlspec.sections.slice_bins import rising
from mlspec.spec.spec_model import SpecModel


class LiveSlice(SpecModel):
    """How predictions are grouped: by an input, the length of a text, a month, or a condition."""

    column: str = Field("", description="Input; default: the name of the slice; of `by: month` the time of the answer")
    by: Literal["value", "length", "month"] = Field(
        "value", description="Group by the value, by the characters of a text, or by the month of a date"
    )
    bins: Annotated[list[float], AfterValidator(rising)] = Field(
        [], description="Increasing edges between the slices of numbers or lengths", examples=[[10, 20, 40]]
    )
    where: str = Field(
        "",
        max_length=2000,
        description="Instead: a condition on inputs in DuckDB's SQL; the slices are `yes` and `no`",
        examples=["age >= 65 AND town = 'Bonn'"],
    )

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        what = ""
        if self.where and (self.column or self.bins or self.by != "value"):
            what = "`where` alone, without `column`, `by` and `bins`"
        elif self.by == "length" and not self.bins:
            what = "`bins` with `by: length`"
        elif self.by == "month" and self.bins:
            what = "`by: month` without `bins`"
        if what:
            help = "for example {by: month}"
            raise PydanticCustomError("bad-format", "expected {what}", {"what": what, "help": help})
        return self

    @property
    def of_answer_time(self) -> bool:
        """Whether rows are divided by the time of their answer, which training data does not have."""
        return self.by == "month" and not self.column


def _form(value: object) -> str:
    """The tag of the union, so that an error is reported for one of its types only."""
    return "list" if isinstance(value, list) else "mapping"


Slices: TypeAlias = Annotated[
    Annotated[list[str], Tag("list")] | Annotated[dict[str, LiveSlice], Tag("mapping")], Discriminator(_form)
]
"""Inputs whose values are slices, or slices by name."""


def named_slices(slices: list[str] | Mapping[str, LiveSlice]) -> Mapping[str, LiveSlice]:
    """Every slice by its name."""
    return {name: LiveSlice() for name in slices} if isinstance(slices, list) else slices
