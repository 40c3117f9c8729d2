"""Options of the `train` section."""

from typing import Annotated, Literal

from pydantic import Field

from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import Duration

Share = Annotated[float, Field(ge=0, lt=1)]


class EarlyStopping(SpecModel):
    """Stop when the model gets no better."""

    monitor: str = Field("valid/loss", description="What to watch; a name that the model logs")
    patience: int = Field(3, ge=0, description="Epochs without progress before stopping")
    min_delta: float = Field(0.0, ge=0, description="Smallest change that counts as progress")
    mode: Literal["min", "max"] | None = Field(
        None, description="Which direction is better; required where the name does not say so"
    )


class Checkpoint(SpecModel):
    """Which epoch is kept, and how often a run that may be killed is saved."""

    monitor: str = Field("valid/loss", description="What decides the best epoch; a name that the model logs")
    mode: Literal["min", "max"] | None = Field(
        None, description="Which direction is better; required where the name does not say so"
    )
    every: Duration = Field("30s", description="How often the state is saved to resume from")
    every_steps: int | None = Field(None, ge=1, description="Save after so many steps instead")


class Optimizer(SpecModel):
    """The optimizer."""

    type: Literal["adamw", "sgd"] = Field("adamw", description="Which optimizer")
    weight_decay: float = Field(0.01, ge=0, description="Decay of the weights, not of biases and norms")
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of sgd")
    beta1: float = Field(0.9, ge=0, lt=1, description="First moment of adamw")
    beta2: float = Field(0.999, ge=0, lt=1, description="Second moment of adamw")


class Schedule(SpecModel):
    """How the learning rate changes over the run."""

    type: Literal["constant", "linear", "cosine", "one-cycle"] = Field(
        "constant", description="Shape after the warm-up; one-cycle rises for 0.3 of the steps unless warmup says more"
    )
    warmup: Share = Field(0.0, description="Share of all steps over which the rate rises from zero")


class TrainSpec(SpecModel):
    """Training with PyTorch Lightning."""

    max_epochs: int = Field(10, ge=1, le=100_000, description="Most passes over the training data")
    max_steps: int | None = Field(None, ge=1, description="Most steps of the optimizer, whatever max_epochs says")
    batch_size: int = Field(32, ge=1, le=65_536, description="Rows in a batch, of all devices together")
    drop_last: bool = Field(
        False, description="Leave out a last batch that is not full; by default a last batch of one row joins another"
    )
    learning_rate: float = Field(1e-3, gt=0, le=10, description="Step size of the optimizer", examples=[3e-5])
    optimizer: Optimizer = Field(Optimizer(), description="The optimizer")
    schedule: Schedule = Field(Schedule(), description="How the learning rate changes over the run")
    gradient_clip: float | None = Field(None, gt=0, description="Largest norm of the gradient")
    accumulate: int = Field(1, ge=1, description="Batches whose gradients are added up for one step")
    class_weights: Literal["none", "balanced"] = Field("none", description="Weigh rare classes up in the loss")
    precision: Literal["32-true", "16-mixed", "bf16-mixed", "bf16-true", "64-true"] = Field(
        "32-true", description="Lightning's `precision`"
    )
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = Field("auto", description="Lightning's `accelerator`")
    devices: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = Field("auto", description="Lightning's `devices`")
    strategy: str = Field("auto", description="Lightning's `strategy`", examples=["ddp"])
    workers: int = Field(0, ge=0, le=256, description="Processes that prepare batches; 0 is fastest for small rows")
    seed: int = Field(42, ge=0, le=2**32 - 1, description="Seed of weights, order and dropout")
    deterministic: bool = Field(True, description="Use only deterministic algorithms, so that two runs are equal")
    max_time: Duration | None = Field(None, description="Stop after this time")
    log_every: int = Field(10, ge=1, description="Steps between points of the curves in an experiment tracker")
    early_stopping: EarlyStopping | None = Field(None, description="Stop when the model gets no better")
    checkpoint: Checkpoint = Field(Checkpoint(), description="Which epoch is kept")
