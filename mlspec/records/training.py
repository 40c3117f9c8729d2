"""The result of a training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from mlspec.records.record_file import OPTIONAL, Finite, Measured, Record, Value


class Best(Value):
    """The checkpoint that is kept."""

    monitor: str = Field(description="Name of the metric that chose it")
    mode: Literal["min", "max"] = Field("min", description="Which direction is better")
    value: Measured = Field(None, description="Its value of that metric")
    epoch: int = Field(description="Counted from 1")
    step: int = Field(0, description="Optimizer steps until then")


class DeviceUse(Value):
    """How the first device was used. Differs from run to run; no stage depends on it."""

    device: str = Field(description="`cpu`, `cuda` or `mps`")
    name: str = Field(description="Name of the device")
    devices: int = Field(1, description="Number of devices")
    compiled: str = Field("off", description="`graphs`, `inductor` or `off`, as `train.compile` was applied")
    samples_per_second: Finite = Field(description="Training rows per second, over all devices, without validation")
    busy: Measured = Field(None, description="Share of the time in which the device computed; null if unknown")
    waiting: Finite = Field(description="Share of the time in which training waited for its data loader")
    memory_bytes: int | None = Field(None, description="Most memory of the tensors on a GPU, of the process on a CPU")


class Tuned(Value):
    """What `train.tune` and `train.precision: auto` found; training used these values instead of those in the spec."""

    batch_size: int | None = Field(None, description="Rows in a batch, over all devices", json_schema_extra=OPTIONAL)
    batch_size_limit: Literal["memory", "rows", "max"] | None = Field(
        None,
        description="What keeps it from being larger: the memory, the training rows, or `train.tune.batch_size.max`",
        json_schema_extra=OPTIONAL,
    )
    learning_rate: Measured = Field(
        None, description="The rate at which the loss falls most steeply", json_schema_extra=OPTIONAL
    )

    precision: Literal["32-true", "bf16-mixed"] | None = Field(
        None, description="The precision that `train.precision: auto` chose", json_schema_extra=OPTIONAL
    )
    precision_gain: Measured = Field(
        None,
        description="How many times as fast as with 32-true the steps with bf16-mixed were; null if not measured",
        json_schema_extra=OPTIONAL,
    )

    @property
    def values(self) -> dict[str, int | float | str]:
        """The keys of `train` that were found, with their values."""
        return self.model_dump(include={"batch_size", "learning_rate", "precision"}, exclude_none=True)

    @property
    def texts(self) -> dict[str, str]:
        """The same for people: numbers with at most six digits."""
        return {name: value if isinstance(value, str) else f"{value:g}" for name, value in self.values.items()}


class Training(Record):
    """A finished training."""

    FILE: ClassVar[str] = "metrics/train.json"
    STAGE: ClassVar[str] = "train"

    epochs: int = Field(description="Epochs that ran")
    steps: int = Field(description="Optimizer steps that ran")
    best: Best = Field(description="The checkpoint that is kept")
    valid: Mapping[str, Measured] = Field({}, description="Every metric logged in validation, at that checkpoint")
    undefined: Mapping[str, str] = Field({}, description="Why a metric has no value", json_schema_extra=OPTIONAL)
    speed: DeviceUse | None = Field(None, description="How the device was used", json_schema_extra=OPTIONAL)
    runs: Mapping[str, str] = Field(
        {},
        description="Key of the section `track` to the page of the run. No stage depends on it",
        json_schema_extra=OPTIONAL,
    )
    tuned: Tuned | None = Field(
        None, description="What `train.tune` and `train.precision: auto` found", json_schema_extra=OPTIONAL
    )
