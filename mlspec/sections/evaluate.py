"""Options of the `evaluate` section."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from mlspec.sections.metric_names import DEFAULT, ClassMetric, NumberMetric, Task
from mlspec.sections.slice_bins import rising
from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import Bound, null_as


class Slice(SpecModel):
    """How rows are grouped into slices."""

    column: str | None = Field(None, min_length=1, description="Column to slice by; default: the name of the slice")
    by: Literal["value", "length"] = Field("value", description="Slice by the value, or by the length of a text")
    bins: Annotated[list[float], AfterValidator(rising)] = Field(
        [], description="Increasing edges between the slices of numbers or lengths", examples=[[10, 20, 40]]
    )
    top: int = Field(20, ge=1, description="With `by: value`, only this many of the most frequent values")
    min_rows: int = Field(1, ge=1, description="Skip slices with fewer rows")


def _form(value: object) -> str:
    """The tag of the union, so that an error is reported for one of its types only."""
    return "list" if isinstance(value, list) else "mapping"


class EvaluateSpec(SpecModel):
    """Evaluation on the test split: metrics, slices, and gates that fail the pipeline."""

    metrics: list[Literal[ClassMetric, NumberMetric]] = Field(
        [],
        description="Metrics to compute; default: accuracy, f1 and mcc for classes; mae, rmse and r2 for a number",
        examples=[["accuracy", "f1", "mcc"]],
    )
    gates: dict[str, Bound] = Field(
        {},
        description="Bounds that fail the pipeline if violated: of a metric, of a label's precision, recall or f1 "
        "(`recall[LABEL]`), of a slice (`accuracy@COLUMN=VALUE`, `*` for all), or of the calibration error (`ece`)",
        examples=[{"mcc": ">= 0.2", "recall[unacceptable]": ">= 0.5", "accuracy@origin=*": ">= 0.6"}],
    )
    slices: Annotated[
        Annotated[list[str], Tag("list")] | Annotated[dict[str, Slice], Tag("mapping")], Discriminator(_form)
    ] = Field(
        [],
        description="Columns to slice by, or slices by name",
        examples=[["origin"], {"length": {"column": "sentence", "by": "length", "bins": [20, 40]}}],
    )
    batch_size: int = Field(64, ge=1, description="Rows in a batch; on a GPU at least 512, if they fit")
    accelerator: Literal["auto", "cpu", "gpu", "mps"] | None = Field(
        None, description="Device of `evaluate`, and of the model's outputs in `export`; default: `train.accelerator`"
    )
    average: Annotated[Literal["auto", "binary", "macro", "micro", "weighted"], null_as("auto")] = Field(
        "auto",
        description="How f1, precision and recall are averaged over labels; auto: `binary` (of the second label) "
        "with two labels, else `macro`",
    )
    threshold: float = Field(
        0.5, gt=0, lt=1, description="With two labels: the smallest probability at which the second label is predicted"
    )
    calibration_bins: int = Field(10, ge=2, le=100, description="Bins of the calibration table")

    @property
    def cuts(self) -> dict[str, Slice]:
        """Every slice as a mapping, with its column."""
        slices = self.slices if isinstance(self.slices, dict) else {name: Slice() for name in self.slices}
        return {name: s.model_copy(update={"column": s.column or name}) for name, s in slices.items()}

    def names(self, task: Task) -> tuple[str, ...]:
        """The metrics to compute, each once."""
        return tuple(dict.fromkeys(self.metrics)) or DEFAULT[task]
