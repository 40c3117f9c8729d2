"""Options of the `evaluate` section."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from mlspec.sections.metric_names import DEFAULT, ClassMetric, NumberMetric, Task
from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import Bound


def _rising(edges: list[float]) -> list[float]:
    if any(low >= high for low, high in pairwise(edges)):
        raise PydanticCustomError(
            "bad-format", "the edges of bins rise, each above the one before", {"help": "for example [10, 20, 40]"}
        )
    return edges


class Slice(SpecModel):
    """How rows are cut into slices."""

    column: str | None = Field(None, min_length=1, description="Column to cut by; default: the slice's own name")
    by: Literal["value", "length"] = Field("value", description="Cut by the value, or by the length of a text")
    bins: Annotated[list[float], AfterValidator(_rising)] = Field(
        [], description="Rising edges between the slices of numbers and lengths", examples=[[10, 20, 40]]
    )
    top: int = Field(20, ge=1, description="Of values, at most this many of the most frequent")
    min_rows: int = Field(1, ge=1, description="Slices of fewer rows are left out")


def _form(value: object) -> str:
    """A union would complain of both of its kinds where only one is meant."""
    return "list" if isinstance(value, list) else "mapping"


class EvaluateSpec(SpecModel):
    """Evaluation on the test split: metrics, slices, and gates that stop the line."""

    metrics: list[Literal[ClassMetric, NumberMetric]] = Field(
        [],
        description="What to compute; default: accuracy, f1 and mcc, or mae, rmse and r2 for a number",
        examples=[["accuracy", "f1", "mcc"]],
    )
    gates: dict[str, Bound] = Field(
        {},
        description="Bounds that stop the line when missed: of a metric, of a label's precision, recall or f1 "
        "(`recall[LABEL]`), of a slice (`accuracy@COLUMN=VALUE`, `*` for all), or of the calibration error (`ece`)",
        examples=[{"mcc": ">= 0.2", "recall[unacceptable]": ">= 0.5", "accuracy@origin=*": ">= 0.6"}],
    )
    slices: Annotated[
        Annotated[list[str], Tag("list")] | Annotated[dict[str, Slice], Tag("mapping")], Discriminator(_form)
    ] = Field(
        [],
        description="Columns whose values cut the rows into slices, or slices by name",
        examples=[["origin"], {"length": {"column": "sentence", "by": "length", "bins": [20, 40]}}],
    )
    batch_size: int = Field(64, ge=1, description="Rows that go through the model together")
    average: Literal["binary", "macro", "micro", "weighted"] | None = Field(
        None,
        description="How f1, precision and recall speak of all labels; default: `binary` (the second label's) for two "
        "labels, else `macro`",
    )
    threshold: float = Field(
        0.5, gt=0, lt=1, description="With two labels: the probability from which on the second one is predicted"
    )
    calibration_bins: int = Field(10, ge=2, le=100, description="Bins of the calibration table")

    @property
    def cuts(self) -> dict[str, Slice]:
        """Every slice in its long form, with its column."""
        given = self.slices if isinstance(self.slices, dict) else {name: Slice() for name in self.slices}
        return {name: s.model_copy(update={"column": s.column or name}) for name, s in given.items()}

    def names(self, task: Task) -> tuple[str, ...]:
        """The metrics to compute, each once."""
        return tuple(dict.fromkeys(self.metrics)) or DEFAULT[task]
