"""Options of the `train` section."""

from typing import Annotated, Literal

from pydantic import Field

from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import Duration, null_as

Share = Annotated[float, Field(ge=0, lt=1)]
Direction = Annotated[Literal["auto", "min", "max"], null_as("auto")]
Steps = Annotated[int, Field(ge=1)]


class EarlyStopping(SpecModel):
    """Stop training when the monitored value no longer improves."""

    monitor: str = Field("valid/loss", description="Value to monitor: a name that the model logs")
    patience: int = Field(3, ge=0, description="Epochs without improvement before training stops")
    min_delta: float = Field(0.0, ge=0, description="Smallest change that counts as an improvement")
    mode: Direction = Field(
        "auto", description="Direction of the monitored value; auto: from its name, an error if the name implies none"
    )


class Checkpoint(SpecModel):
    """Which epoch is kept as the best, and how often the state is saved to resume from."""

    monitor: str = Field("valid/loss", description="Value that decides the best epoch: a name that the model logs")
    mode: Direction = Field(
        "auto", description="Direction of the monitored value; auto: from its name, an error if the name implies none"
    )
    every: Duration = Field("30s", description="How often the state is saved to resume from")
    every_steps: int | None = Field(None, ge=1, description="Save every N steps instead")


class Optimizer(SpecModel):
    """The optimizer."""

    type: Literal["adamw", "sgd"] = Field("adamw", description="Optimizer")
    weight_decay: float = Field(0.01, ge=0, description="Weight decay; not applied to biases and normalisation layers")
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum (sgd)")
    beta1: float = Field(0.9, ge=0, lt=1, description="Decay rate of the first moment (adamw)")
    beta2: float = Field(0.999, ge=0, lt=1, description="Decay rate of the second moment (adamw)")


class Schedule(SpecModel):
    """The learning rate schedule."""

    type: Literal["constant", "linear", "cosine", "one-cycle"] = Field(
        "constant", description="Shape after the warm-up; for one-cycle the default of `warmup` is 0.3"
    )
    warmup: Share = Field(0.0, description="Fraction of all steps in which the learning rate rises from zero")


class BatchSizeSearch(SpecModel):
    """Find the largest batch that fits in the memory of the device, as the batch size finder of Lightning does."""

    mode: Literal["power", "binsearch"] = Field(
        "power",
        description="power: double `train.batch_size` as long as it fits; binsearch: then halve the interval between "
        "the last batch that fits and the first that does not",
    )
    max: int = Field(8192, ge=1, le=65_536, description="Largest batch size to try")


class LearningRateSearch(SpecModel):
    """Find a learning rate with a range test, as the learning rate finder of Lightning does."""

    min: float = Field(1e-8, gt=0, le=10, description="Learning rate of the first step")
    max: float = Field(1.0, gt=0, le=10, description="Learning rate of the last step")
    steps: int = Field(100, ge=20, le=10_000, description="Number of steps; the rate rises exponentially")


class Tune(SpecModel):
    """Values to find before training, which then replace the keys of the same names."""

    batch_size: BatchSizeSearch | None = Field(
        None, description="Find `train.batch_size`; on one device", examples=[{"mode": "power"}]
    )
    learning_rate: LearningRateSearch | None = Field(None, description="Find `train.learning_rate`")


class TrainSpec(SpecModel):
    """Training with PyTorch Lightning."""

    max_epochs: int = Field(10, ge=1, le=100_000, description="Maximum number of epochs")
    max_steps: Annotated[Steps | Literal[-1], null_as(-1)] = Field(
        -1, description="Maximum number of optimizer steps, in addition to `max_epochs`; -1: no limit"
    )
    batch_size: int = Field(32, ge=1, le=65_536, description="Rows in a batch, over all devices")
    drop_last: bool = Field(
        False,
        description="Drop a last batch that is not full; by default a last batch of one row is merged into another",
    )
    learning_rate: float = Field(1e-3, gt=0, le=10, description="Learning rate of the optimizer", examples=[3e-5])
    optimizer: Optimizer = Field(Optimizer(), description="The optimizer")
    schedule: Schedule = Field(Schedule(), description="Learning rate schedule")
    gradient_clip: Annotated[float, null_as(0.0)] = Field(
        0.0, ge=0, description="Largest gradient norm; larger gradients are clipped; 0: no clipping"
    )
    accumulate: int = Field(1, ge=1, description="Batches to accumulate gradients over for one optimizer step")
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="Class weights in the loss; balanced gives rare classes more weight"
    )
    precision: Literal["32-true", "16-mixed", "bf16-mixed", "bf16-true", "64-true", "auto"] = Field(
        "32-true",
        description="Lightning's `precision`; auto: bf16-mixed on a GPU that computes bfloat16, and on a CPU that does "
        "if a few steps before training are faster with it, else 32-true",
    )
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = Field("auto", description="Lightning's `accelerator`")
    devices: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = Field("auto", description="Lightning's `devices`")
    compile: Literal["auto", "off", "graphs", "inductor"] = Field(
        "auto",
        description="Record training steps as CUDA graphs, or compile the model with torch.compile (inductor); auto: "
        "graphs on one NVIDIA GPU where the model allows it",
    )
    tf32: bool = Field(
        False, description="On NVIDIA GPUs multiply float32 matrices in TensorFloat-32: faster, 10 bits of precision"
    )
    gradient_checkpointing: bool = Field(
        False,
        description="Recompute activations in the backward pass: less memory, slower; for `text-classifier`",
    )
    strategy: str = Field("auto", description="Lightning's `strategy`", examples=["ddp"])
    workers: int = Field(0, ge=0, le=256, description="Data loader processes; 0 is fastest for small rows")
    seed: int = Field(42, ge=0, le=2**32 - 1, description="Random seed of weights, row order and dropout")
    deterministic: bool = Field(
        True, description="Use only deterministic algorithms, so that two runs give the same result"
    )
    max_time: Annotated[Duration | Literal["off"], null_as("off")] = Field(
        "off", description="Stop training after this time", examples=["2h"]
    )
    log_every: int = Field(10, ge=1, description="Steps between logged points in an experiment tracker")
    early_stopping: Annotated[EarlyStopping | Literal["off"], null_as("off")] = Field(
        "off",
        description="Stop training when a value no longer improves",
        examples=[{"monitor": "valid/loss", "patience": 3}],
    )
    checkpoint: Checkpoint = Field(Checkpoint(), description="Which epoch is kept, and how often the state is saved")
    tune: Annotated[Tune | Literal["off"], null_as("off")] = Field(
        "off", description="Find batch size and learning rate before training", examples=[{"learning_rate": {}}]
    )

    @property
    def stop(self) -> EarlyStopping | None:
        """Early stopping; None if it is off."""
        return None if self.early_stopping == "off" else self.early_stopping

    @property
    def search(self) -> Tune | None:
        """What to find before training; None if it is off."""
        return None if self.tune == "off" else self.tune
