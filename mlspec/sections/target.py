"""Options of `data.target`: what the model predicts, and how labels stand in the data."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from mlspec.sections.column_names import Name, fault
from mlspec.spec.spec_model import SpecModel

Label = str | bool | int | float
"""A label as people write it: `yes`, `true`, `1`, `0.5`."""


def _listed(label: Label) -> Label:
    help = "map the value of the column to a short name: `data: {target: {values: {VALUE: NAME}}}`"
    return _checked(label, help if label_name(label) else "remove it: rows without a value have no label")


def _meant(label: Label) -> Label:
    return _checked(label, "choose a short name on one line, such as `long_text`")


def _checked(label: Label, help: str) -> Label:
    if wrong := fault(label_name(label)):
        raise PydanticCustomError("bad-format", "the label {wrong}", {"wrong": wrong, "help": help})
    return label


def label_name(label: Label) -> str:
    """The name of a label in metrics, reports and responses: `true`, `1`, `0.5`."""
    return str(label).lower() if isinstance(label, bool) else str(label)


def _level(number: int) -> int:
    if number == 0:
        help = "1 is the first folder below the source, -1 the one that holds the file"
        raise PydanticCustomError("bad-format", "folders are counted from 1", {"help": help})
    return number


class Target(SpecModel):
    """What the model predicts."""

    column: Name = Field("label", description="Column that holds it; for image folders the folder's name")
    type: Literal["class", "number"] = Field("class", description="`class` to classify, `number` for regression")
    labels: list[Annotated[Label, AfterValidator(_listed)]] = Field(
        [],
        description="The classes, in order, as they stand in the column; left out, all values of the column, sorted",
        examples=[["unacceptable", "acceptable"], [0, 1], [True, False]],
    )
    labels_are: Literal["values", "positions"] = Field(
        "values",
        description="What the column holds: the labels themselves, or their positions in `labels`, counted from 0",
    )
    values: dict[str, Annotated[Label, AfterValidator(_meant)]] = Field(
        {},
        description="Values of the column and the label that each stands for, where the column does not hold labels",
        examples=[{"-1": "negative", "1": "positive"}],
    )

    level: Annotated[int, AfterValidator(_level)] | None = Field(
        None,
        ge=-16,
        le=16,
        description="Image folders: which folder below the source names the class: 1 the first, 2 the one in it, "
        "-1 the one that holds the file; needed where more than one could",
    )

    @property
    def names(self) -> list[str]:
        """The names of the classes, in order; none where the data has to say them."""
        return [label_name(label) for label in self.labels]

    @property
    def meanings(self) -> dict[str, str]:
        """Values of the column to the name of the label that each stands for."""
        return {value: label_name(label) for value, label in self.values.items()}
