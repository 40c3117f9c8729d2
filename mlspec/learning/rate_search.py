"""A learning rate by a range test: the steps of Lightning's learning rate finder, with another choice of the rate.

Each step has a higher rate than the one before (Smith 2017, https://arxiv.org/abs/1506.01186). Lightning suggests the
rate with the steepest fall of the loss per unit of rate. It is almost always among the lowest, because noise is divided
by tiny differences there. Here it is the steepest fall per decade, of losses that are smoothed without a lag.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import STEP_OUTPUT

DIVERGED: Final = 4.0
"""The test ends when the loss exceeds that many times the smallest so far, as in Lightning."""
LEAST: Final = 10
"""Smallest number of losses from which a rate is chosen."""


class RangeTest(pl.Callback):
    """Sets the rate of each step, from `low` to `high` on a logarithmic scale, and records the losses."""

    def __init__(self, low: float, high: float, steps: int) -> None:
        self.rates = [low * (high / low) ** (step / (steps - 1)) for step in range(steps)]
        self.losses: list[float] = []
        self._batches: list[torch.Tensor] = []

    def on_train_batch_start(self, trainer: pl.Trainer, *_: object) -> None:
        """Set the rate, whatever the schedule has set."""
        rate = self.rates[min(len(self.losses), len(self.rates) - 1)]
        for optimizer in trainer.optimizers:
            for group in optimizer.param_groups:
                if isinstance(group["lr"], torch.Tensor):
                    group["lr"].fill_(rate)
                else:
                    group["lr"] = rate

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: STEP_OUTPUT, *_: object
    ) -> None:
        """Record the loss of a step; stop after the last, or when the loss diverges."""
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if loss is not None:
            self._batches.append(torch.as_tensor(loss, device=pl_module.device).detach().float())
        if trainer.global_step == len(self.losses):
            return  # gradients are accumulated
        mean = torch.stack(self._batches).mean() if self._batches else torch.tensor(math.nan, device=pl_module.device)
        self._batches = []
        self.losses.append(float(trainer.strategy.reduce(mean, reduce_op="mean")))
        last = self.losses[-5:]
        over = sum(last) / len(last) > DIVERGED * min(self.losses)
        trainer.should_stop = len(self.losses) == len(self.rates) or not math.isfinite(self.losses[-1]) or over


def steepest(rates: Sequence[float], losses: Sequence[float]) -> float | None:
    """The rate at which the loss falls most per decade, before its minimum; None if it falls nowhere.

    A single step of luck does not count: losses and slopes are means over a tenth of the steps.
    """
    finite = [loss for loss in losses if math.isfinite(loss)]
    if len(finite) < LEAST:
        return None
    half = max(1, len(rates) // 20)
    smooth = _means(finite, half)
    lowest = smooth.index(min(smooth))
    slopes = _means([after - before for before, after in pairwise(smooth[: lowest + 1])], half)
    if not slopes or min(slopes) >= 0:
        return None
    return rates[slopes.index(min(slopes))]


def _means(values: Sequence[float], half: int) -> list[float]:
    """The mean of each value and its neighbours up to `half` away."""
    around = [values[max(0, at - half) : at + half + 1] for at in range(len(values))]
    return [sum(some) / len(some) for some in around]
