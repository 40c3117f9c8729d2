"""The LightningModule around mlspec's own networks: loss, metrics, optimizer."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from mlspec.learning.batches import Batch
from mlspec.learning.metrics import Scores
from mlspec.learning.optimize import optimizers
from mlspec.parts.evaluate.names import Task
from mlspec.parts.train.spec import TrainSpec


class Learner(pl.LightningModule):
    """Trains a network on batches `(inputs, targets)`; logs `train/loss`, `valid/loss` and `valid/METRIC`."""

    def __init__(
        self, network: nn.Module, task: Task, metrics: Scores, train: TrainSpec, weights: Tensor | None
    ) -> None:
        super().__init__()
        self.network = network
        self.settings = train
        self.loss = nn.CrossEntropyLoss(weight=weights) if task == "classification" else nn.MSELoss()
        self.metrics = metrics
        # Sum and count of the epoch's losses. Lightning's own mean starts anew where a killed run goes on.
        self.register_buffer("running", torch.zeros(2))
        self.running: Tensor

    def forward(self, **inputs: Tensor) -> Tensor:
        """The network's logits."""
        found: Tensor = self.network(**inputs)
        return found

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """The loss of a batch."""
        inputs, targets = batch
        loss: Tensor = self.loss(self._scaled(self(**inputs)), self._scaled(targets))
        self.log("train/loss_step", loss, prog_bar=True, batch_size=len(targets))
        self.running += torch.stack([loss.detach().float() * len(targets), self.running.new_tensor(len(targets))])
        return loss

    def on_train_epoch_end(self) -> None:
        """Log the mean loss of the epoch."""
        self.log("train/loss", self.running[0] / self.running[1], sync_dist=True)
        self.running.zero_()

    def validation_step(self, batch: Batch, _: int) -> None:
        """Loss and metrics of a batch, logged once an epoch."""
        inputs, targets = batch
        logits = self(**inputs)
        loss = self.loss(self._scaled(logits), self._scaled(targets))
        self.log("valid/loss", loss, prog_bar=True, batch_size=len(targets), sync_dist=True)
        self.metrics.update(logits.float(), targets)

    def _scaled(self, values: Tensor) -> Tensor:
        """Numbers in units of their spread, so that learning rates mean the same whatever the unit is."""
        scale = getattr(self.network, "scale", None)
        return values if scale is None else values / scale

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of the whole validation split."""
        self.log_dict({f"valid/{name}": value for name, value in self.metrics.compute().items()})
        self.metrics.reset()

    def configure_optimizers(self) -> Any:
        """What the spec's `train` section asks for."""
        return optimizers(self.network, self.settings, int(self.trainer.estimated_stepping_batches))
