"""Options of the sections `experiments` and `sweep`."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field, RootModel
from pydantic_core import PydanticCustomError

from mlspec.spec.file_names import FileStem
from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import schema_pattern

Scalar = bool | int | float | str | None


def _without_dots(name: str) -> str:
    if "." in name:
        help = f"rename it, for example to `{name.replace('.', '-')}`"
        raise PydanticCustomError(
            "bad-format", "{what}", {"what": "an experiment name cannot contain dots", "help": help}
        )
    return name


Experiment = Annotated[FileStem, AfterValidator(_without_dots), schema_pattern(r"[A-Za-z0-9][\w-]*")]
"""The name of an experiment. Hydra reads a dot in `experiment=NAME` as a path separator."""


class Experiments(RootModel):  # type: ignore[type-arg] # one with arguments is built at import
    """Named variants of the spec; each is generated as a Hydra config `experiment=NAME`."""

    model_config = ConfigDict(defer_build=True)

    root: dict[Experiment, dict[str, Any]]


class Parameter(SpecModel):
    """Search space of one key: a list of values, or a range."""

    values: list[Scalar] | None = Field(None, min_length=1, description="Values to try", examples=[[16, 32, 64]])
    min: float | None = Field(None, description="Smallest value of a range")
    max: float | None = Field(None, description="Largest value of a range")
    log: bool = Field(False, description="Sample the range on a logarithmic scale")
    whole: bool = Field(False, description="Sample integers only")


class EarlyTerminate(SpecModel):
    """Hyperband: stops the trials of a sweep that are behind, as W&B's agents do."""

    min_iter: int = Field(3, ge=1, description="Epochs before a trial is compared for the first time")
    eta: int = Field(3, ge=2, description="At each comparison the best 1/eta of the trials continue")
    strict: bool = Field(False, description="Also stop trials that W&B would keep to explore further")


class Sweep(SpecModel):
    """A hyperparameter search: `mlspec run train -m` runs it with Hydra, sweep.yaml with W&B."""

    UNREAD_KEYS: ClassVar[frozenset[str]] = frozenset({"early_terminate"})

    method: Literal["grid", "random", "bayes"] = Field("random", description="Search method")
    metric: str = Field("valid/loss", description="Metric to optimise: a name that the model logs")
    goal: Literal["minimize", "maximize"] | None = Field(
        None, description="Direction of the metric; required if its name does not imply one"
    )
    trials: int = Field(20, ge=1, le=10_000, description="Number of trials of a random or bayes sweep")
    seed: int = Field(0, ge=0, description="Random seed of the search")
    early_terminate: EarlyTerminate | None = Field(
        None, description="Stops trials that are behind; read by W&B alone (sweep.yaml)"
    )
    parameters: dict[str, Parameter] = Field(
        min_length=1,
        description="Keys of the spec to vary, each with its search space",
        examples=[{"train.learning_rate": {"min": 1e-5, "max": 1e-3, "log": True}}],
    )
