"""Options of `monitor.quality`: when a fall of the quality on labelled predictions is an alarm."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import Rate


def _rising(edges: list[float]) -> list[float]:
    if any(low >= high for low, high in pairwise(edges)):
        message = "the edges of `bins` must be strictly increasing"
        raise PydanticCustomError("bad-format", "{what}", {"what": message, "help": "for example [10, 20, 40]"})
    return edges


class QualitySlice(SpecModel):
    """How predictions are grouped: by an input, the length of a text, a month, or a condition."""

    column: str = Field("", description="Input; default: the name of the slice; of `by: month` the time of the answer")
    by: Literal["value", "length", "month"] = Field(
        "value", description="Group by the value, by the characters of a text, or by the month of a date"
    )
    bins: Annotated[list[float], AfterValidator(_rising)] = Field(
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


class Quality(SpecModel):
    """Quality on labelled predictions: the loss of each row is compared with that on the test split."""

    tolerance: float = Field(
        0.05,
        gt=0,
        lt=1,
        description="Largest rise of the loss that raises no alarm: of the share of wrong labels, or of the mean "
        "absolute error in units of two standard deviations of the true values",
    )
    false_alarms: Rate = Field(
        "1 per 90d",
        description="How often an alarm may be raised while the quality is unchanged",
        examples=["1 per 90d", "2 per 52w"],
    )
    slices: dict[str, QualitySlice] = Field(
        {},
        description="Slices by name whose quality is shown; default: those of `monitor.drift.slices`, else the values "
        "of inputs with few of them",
        examples=[{"length": {"column": "sentence", "by": "length", "bins": [20, 40]}, "month": {"by": "month"}}],
    )
