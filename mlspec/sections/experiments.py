"""Options of the sections `experiments` and `sweep`."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, RootModel
from pydantic_core import PydanticCustomError

from mlspec.spec.file_names import FileStem
from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import shown

Scalar = bool | int | float | str | None


def _without_dots(name: str) -> str:
    if "." in name:
        help = f"`{name.replace('.', '-')}`, for example"
        raise PydanticCustomError("bad-format", "{what}", {"what": "an experiment's name has no dots", "help": help})
    return name


Experiment = Annotated[FileStem, AfterValidator(_without_dots), shown(r"[A-Za-z0-9][\w-]*")]
"""Hydra reads a dot in `experiment=NAME` as part of a path."""


class Experiments(RootModel[dict[Experiment, dict[str, Any]]]):
    """Named variants of the spec; each becomes a Hydra config `experiment=NAME`."""


class Parameter(SpecModel):
    """The values that a sweep tries for one key: a list, or a range."""

    values: list[Scalar] | None = Field(None, min_length=1, description="Values to try", examples=[[16, 32, 64]])
    min: float | None = Field(None, description="Smallest value of a range")
    max: float | None = Field(None, description="Largest value of a range")
    log: bool = Field(False, description="Spread the range evenly over orders of magnitude")
    whole: bool = Field(False, description="Try whole numbers only")


class Sweep(SpecModel):
    """A search for better settings: `mlspec run train -m` runs it through Hydra, sweep.yaml through W&B."""

    method: Literal["grid", "random", "bayes"] = Field("random", description="How values are chosen")
    metric: str = Field("valid/loss", description="What is optimised; a name that the model logs")
    goal: Literal["minimize", "maximize"] | None = Field(
        None, description="Which direction is better; required where the name of the metric does not say so"
    )
    trials: int = Field(20, ge=1, le=10_000, description="Runs of a random or bayes sweep")
    seed: int = Field(0, ge=0, description="Seed of the choices")
    parameters: dict[str, Parameter] = Field(
        min_length=1,
        description="Keys of the spec to vary, with the values to try",
        examples=[{"train.learning_rate": {"min": 1e-5, "max": 1e-3, "log": True}}],
    )
