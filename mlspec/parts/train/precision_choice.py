"""Chooses the precision of `train.precision: auto`: bf16-mixed or 32-true.

A GPU that computes bfloat16 gets bf16-mixed. On a CPU whether it is faster depends on the model, so a few steps of each
are measured, on modules of their own. The result is kept for the machine: training again chooses the same.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytorch_lightning as pl
import torch

from mlspec import __version__
from mlspec.job import Job, write_json
from mlspec.learning import ranks
from mlspec.learning.batches import Buckets, lengths
from mlspec.learning.bfloat16 import computes
from mlspec.learning.devices import device, name_of
from mlspec.learning.gradient_shares import shared
from mlspec.parts.train.fitting import direct, memory_errors
from mlspec.parts.train.run_fingerprint import of_steps
from mlspec.parts.train.tuning import Material, Precision, Search
from mlspec.records.training import Tuned
from mlspec.sections.train import TrainSpec

FILE: Final = "precision.json"
KEPT: Final = 100
"""Number of choices in the file."""
GAIN: Final = 1.1
"""bf16-mixed is used from this gain on: a smaller one is not worth 16 bits of precision, and may be noise."""
ROUNDS: Final = 5
MOST_STEPS, SECONDS = 12, 1.0
"""Steps of a round, and their duration if they are slow; at least one."""


def chosen(job: Job, material: Material) -> Tuned:
    """The choice that this machine made for steps as these before, or a new one."""
    path, key = job.scratch / FILE, _key(job, material)
    known = _known(path)
    if key in known:
        return Tuned.model_validate(known[key])
    result = PrecisionSearch(job, material).choice()
    if ranks.first():
        latest = dict(list(known.items())[1 - KEPT :])
        write_json(path, {**latest, key: result.model_dump(mode="json", exclude_none=True)})
    return result


def _key(job: Job, material: Material) -> str:
    """What decides how long a step takes: the model and its rows, the device with its threads, and releases."""
    used = device(job.need(TrainSpec).accelerator, "train.accelerator")
    here = f"{used.type} {name_of(used)}"
    return f"{of_steps(job, material.shapes)} {here} torch {torch.__version__} mlspec {__version__}"


def _known(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none, or damaged: measure again
        return {}
    return known if isinstance(known, dict) else {}


class StepTimes(pl.Callback):
    """The seconds of `steps` batches after the first, which allocates memory and prepares kernels; then it stops."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.seconds: list[float] = []
        self._began = 0.0
        self._first = True

    def on_train_batch_start(self, *_: object) -> None:
        """Start the clock."""
        self._began = time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        """Stop the clock, and in the end the training."""
        if not self._first:
            self.seconds.append(time.perf_counter() - self._began)
        self._first = False
        trainer.should_stop = len(self.seconds) >= self.steps


def undisturbed(rounds: Sequence[Sequence[float]]) -> float:
    """The seconds of a round whose steps are the fastest of all rounds: other programs only make a step slower."""
    return float(sum(min(step) for step in zip(*rounds, strict=True)))


def decided(gain: float) -> Tuned:
    """The precision for a measured gain of bf16-mixed."""
    return Tuned(precision="bf16-mixed" if gain >= GAIN else "32-true", precision_gain=round(gain, 2))


class PrecisionSearch(Search):
    """Measures training steps in both precisions, by turns."""

    def choice(self) -> Tuned:
        """The precision, with the gain if it was measured."""
        device = self._trainer(1, "32-true").strategy.root_device
        if not computes(device):
            return Tuned(precision="32-true")
        if device.type != "cpu":
            return Tuned(precision="bf16-mixed")
        if ranks.first():
            print("measuring a few steps with 32-true and bf16-mixed", flush=True)
        return decided(self._gain())

    def _gain(self) -> float:
        """How many times as fast steps with bf16-mixed are."""
        first = max(self._seconds("32-true", 1)[0], self._seconds("bf16-mixed", 1)[0])
        steps = max(1, min(MOST_STEPS, int(SECONDS / max(first, 1e-6))))
        rounds = [(self._seconds("32-true", steps), self._seconds("bf16-mixed", steps)) for _ in range(ROUNDS)]
        single, half = zip(*rounds, strict=True)
        return undisturbed(single) / undisturbed(half)

    def _seconds(self, precision: Precision, steps: int) -> list[float]:
        """The seconds of `steps` batches after a first one; the same in all processes."""
        times = StepTimes(steps)
        job = self._with(precision=precision)
        # Each epoch has at least one batch.
        trainer = self._trainer(steps + 1, precision, callbacks=[times], min_epochs=0, limit_val_batches=0)
        direct(trainer)
        module = self._module(job, trainer)
        with memory_errors(self.train, lambda: None), self._errors():
            trainer.fit(module, **self._data(job, trainer, self._order(trainer)))
        seconds = torch.tensor(times.seconds, dtype=torch.float64)
        del module
        gc.collect()
        return list(trainer.strategy.reduce(seconds, reduce_op="mean").tolist())

    def _order(self, trainer: pl.Trainer) -> Buckets:
        """The batches that training begins with."""
        train, material = self.train, self.material
        place = trainer.global_rank, trainer.world_size
        sizes = lengths(material.rows["train"], material.preprocess)
        sampler = Buckets(sizes, train.batch_size, train.seed, *place, drop_last=train.drop_last)
        sampler.position = lambda: (trainer.current_epoch, 0)
        shared(trainer, sampler)
        return sampler
