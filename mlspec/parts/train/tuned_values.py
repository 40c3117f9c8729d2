"""Uses the values that `train.tune` and `train.precision: auto` found in place of those of the spec."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pytorch_lightning as pl
from pytorch_lightning.utilities.parsing import lightning_hasattr, lightning_setattr

from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.learning import ranks
from mlspec.records.decisions import Decision
from mlspec.records.training import Tuned
from mlspec.sections.train import TrainSpec
from mlspec.stage_result import warn

RATES: Final = ("lr", "learning_rate")
"""The attributes in which Lightning's learning rate finder expects the rate."""


def with_values(job: Job, tuned: Tuned | None) -> Job:
    """The job with the values that were found in place of those of the spec."""
    values = tuned.values if tuned else {}
    if not values:
        return job
    section = job.config.get("train")
    sections = {n: s.model_copy(update=values) if isinstance(s, TrainSpec) else s for n, s in job.sections.items()}
    config = {**job.config, "train": {**section, **values}} if isinstance(section, dict) else job.config
    return replace(job, config=config, sections=sections)


def decisions(job: Job, tuned: Tuned | None) -> Iterator[Decision]:
    """What was found and used, for the log and the report; `job` is that of the spec."""
    train = job.need(TrainSpec)
    if tuned is not None and tuned.batch_size is not None:
        why = {"memory": "the largest tried that fits", "rows": "limited by the training rows", "max": "the maximum"}
        reading = f"{tuned.batch_size} instead of {train.batch_size}: {why[tuned.batch_size_limit or 'max']}"
        yield Decision("batch size", reading, "train.tune.batch_size")
    if tuned is not None and tuned.learning_rate is not None:
        reading = f"{tuned.learning_rate:g} instead of {train.learning_rate:g}: the loss falls most steeply"
        yield Decision("learning rate", reading, "train.tune.learning_rate")
    if tuned is not None and tuned.precision is not None:
        yield Decision("precision", f"{tuned.precision}: {_why(tuned)}", "train.precision")


def _why(tuned: Tuned) -> str:
    """Why the precision was chosen."""
    if tuned.precision_gain is not None:
        return f"steps with bf16-mixed are {tuned.precision_gain:.2f} times as fast as with 32-true"
    return f"the device {'computes' if tuned.precision == 'bf16-mixed' else 'does not compute'} bfloat16"


def give(module: pl.LightningModule, tuned: Tuned | None) -> None:
    """Set the learning rate of a module of the project."""
    if tuned is None or tuned.learning_rate is None:
        return
    for name in RATES:
        if lightning_hasattr(module, name):
            lightning_setattr(module, name, tuned.learning_rate)


def sized(datamodule: pl.LightningDataModule, name: str, batch_size: int) -> None:
    """Set the batch size of a data module of the project. Raises StageError if it has none."""
    if not hasattr(datamodule, "batch_size"):
        raise StageError(
            f"train.tune.batch_size: {name} has no attribute batch_size",
            help="set self.batch_size in its __init__, and use it in train_dataloader",
        )
    datamodule.batch_size = batch_size


class RateUsed(pl.Callback):
    """Warns if the optimizers of a module of the project do not have the learning rate that was found."""

    def __init__(self, rate: float, name: str) -> None:
        self.rate, self.name = rate, name

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Search the rate in the groups of parameters; schedules keep it under other names."""
        groups = [group for optimizer in trainer.optimizers for group in optimizer.param_groups]
        rates = {float(group[key]) for group in groups for key in ("lr", "initial_lr", "max_lr") if key in group}
        if ranks.first() and not any(math.isclose(rate, self.rate, rel_tol=1e-5) for rate in rates):
            warn(
                f"{self.name} does not use the learning rate that was found, {self.rate:g}",
                "use self.learning_rate (or self.lr) in configure_optimizers",
            )
