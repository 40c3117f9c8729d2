"""Options of `data.target`: what the model predicts, and how labels are written in the data."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from mlspec.sections.column_names import Name, fault
from mlspec.spec.spec_model import SpecModel

Label = str | bool | int | float
"""A label as YAML reads it: `yes`, `true`, `1`, `0.5`."""


def _valid_label(label: Label) -> Label:
    help = "map the value of the column to a short name: `data: {target: {values: {VALUE: NAME}}}`"
    return _checked(label, help if label_name(label) else "remove it: a row without a value has no label")


def _valid_meaning(label: Label) -> Label:
    return _checked(label, "use a short name on one line, for example `long_text`")


def _checked(label: Label, help: str) -> Label:
    if wrong := fault(label_name(label)):
        raise PydanticCustomError("bad-format", "the label {wrong}", {"wrong": wrong, "help": help})
    return label


def label_name(label: Label) -> str:
    """The name of a label in metrics, reports and responses: `true`, `1`, `0.5`."""
    return str(label).lower() if isinstance(label, bool) else str(label)


def _level(number: int) -> int:
    if number == 0:
        help = "use 1 for the first folder below the source, -1 for the folder of the file"
        raise PydanticCustomError("bad-format", "folders are counted from 1", {"help": help})
    return number


class Target(SpecModel):
    """What the model predicts."""

    column: Name = Field(
        "label", description="Column to predict; for image folders the column name for the folder's name"
    )
    type: Literal["class", "number"] = Field("class", description="`class` to classify, `number` for regression")
    labels: list[Annotated[Label, AfterValidator(_valid_label)]] = Field(
        [],
        description="Classes in order, as written in the column; default: all values of the column, sorted",
        examples=[["unacceptable", "acceptable"], [0, 1], [True, False]],
    )
    labels_are: Literal["values", "positions"] = Field(
        "values",
        description="Whether the column contains the labels themselves or their positions in `labels`, counted from 0",
    )
    values: dict[str, Annotated[Label, AfterValidator(_valid_meaning)]] = Field(
        {},
        description="Values of the column mapped to labels, if the column does not contain the labels themselves",
        examples=[{"-1": "negative", "1": "positive"}],
    )

    missing: Literal["error", "drop"] = Field(
        "error",
        description="Rows without a target: `error` stops the stage `data` and lists them, `drop` leaves them out",
    )
    level: Annotated[int, AfterValidator(_level)] | None = Field(
        None,
        ge=-16,
        le=16,
        description="Image folders: depth of the folder that names the class: 1 is the first below the source, 2 the "
        "next, -1 the folder of the file; required if more than one is possible",
    )

    @property
    def names(self) -> list[str]:
        """The names of the classes, in order; empty if they are read from the data."""
        return [label_name(label) for label in self.labels]

    @property
    def meanings(self) -> dict[str, str]:
        """Values of the column mapped to label names."""
        return {value: label_name(label) for value, label in self.values.items()}
