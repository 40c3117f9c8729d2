"""The LightningModule around mlspec's own networks: loss, metrics, optimizer."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from torch import Tensor, nn

from mlspec.learning.batches import Batch
from mlspec.learning.metrics import Scores
from mlspec.learning.optimize import optimizers
from mlspec.parts.evaluate.names import Task
from mlspec.parts.train.spec import TrainSpec


class Learner(pl.LightningModule):
    """Trains a network on batches `(inputs, targets)`; logs `train/loss`, `valid/loss` and `valid/METRIC`."""

    def __init__(
        self, network: nn.Module, task: Task, metrics: list[str], train: TrainSpec, weights: Tensor | None
    ) -> None:
        super().__init__()
        self.network = network
        self.settings = train
        self.loss = nn.CrossEntropyLoss(weight=weights) if task == "classification" else nn.MSELoss()
        self.metrics = Scores(metrics, task)

    def forward(self, **inputs: Tensor) -> Tensor:
        """The network's logits."""
        found: Tensor = self.network(**inputs)
        return found

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """The loss of a batch."""
        inputs, targets = batch
        loss: Tensor = self.loss(self(**inputs), targets)
        self.log("train/loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(targets))
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        """Loss and metrics of a batch, logged once an epoch."""
        inputs, targets = batch
        logits = self(**inputs)
        self.log("valid/loss", self.loss(logits, targets), prog_bar=True, batch_size=len(targets), sync_dist=True)
        self.metrics.update(logits.float(), targets)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of the whole validation split."""
        self.log_dict({f"valid/{name}": value for name, value in self.metrics.compute().items()})
        self.metrics.reset()

    def configure_optimizers(self) -> Any:
        """What the spec's `train` section asks for."""
        return optimizers(self.network, self.settings, int(self.trainer.estimated_stepping_batches))
