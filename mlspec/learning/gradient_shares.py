"""Distributed training: weights the losses so that the averaged gradient is the gradient of the whole batch."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from mlspec.learning.batches import Batch, Buckets
from mlspec.learning.learner import Learner


class Shares(pl.Callback):
    """Weights the loss of a process by its share of the batch, because DDP averages the gradients of the processes.

    Without it the rows of a batch that cannot be split evenly would have different weights.
    """

    def __init__(self, sampler: Buckets) -> None:
        self._sampler = sampler
        self._epoch, self._rows = -1, list[tuple[int, int]]()
        self._factor: float | Tensor = 1.0

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Compute the weight of this process, without a wait for the device."""
        if trainer.current_epoch != self._epoch:
            self._epoch, self._rows = trainer.current_epoch, self._sampler.rows(trainer.current_epoch)
        own, whole = self._rows[batch_idx]
        self._factor = own * trainer.world_size / whole
        if isinstance(pl_module, Learner):
            pl_module.counts = own > 0
            if pl_module.weights is not None:
                self._factor = _share(pl_module.weight(batch[1]) * (own > 0), trainer.world_size)

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:  # noqa: ARG002
        """Scale the gradient of the loss; the logged loss is unchanged."""
        factor = self._factor
        if loss.requires_grad and (isinstance(factor, Tensor) or factor != 1):
            loss.register_hook(lambda gradient: (gradient * factor).to(gradient.dtype))  # type: ignore[no-untyped-call]


def _share(own: Tensor, world: int) -> Tensor:
    """The weight of a process whose rows have the class weights `own`, on the device."""
    whole = own.clone()
    # Lightning's own sum waits for all processes first.
    torch.distributed.all_reduce(whole)
    return own * world / whole


def shared(trainer: Any, sampler: Buckets) -> None:
    """Weight the gradients of `trainer` if it has several processes that split the batches of `sampler`."""
    if trainer.world_size > 1:
        trainer.callbacks.insert(0, Shares(sampler))
