"""The LightningModule for mlspec's networks: loss, metrics, optimizer."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional

from mlspec.learning.batches import Batch
from mlspec.learning.metrics import Scores
from mlspec.learning.optimize import optimizers
from mlspec.sections.metric_names import Task
from mlspec.sections.train import TrainSpec


class Learner(pl.LightningModule):
    """Trains a network on batches `(inputs, targets)`; logs `train/loss`, `valid/loss` and `valid/METRIC`."""

    def __init__(
        self, network: nn.Module, task: Task, metrics: Scores, train: TrainSpec, weights: Tensor | None
    ) -> None:
        super().__init__()
        self.network = network
        self.settings = train
        self.classes = task == "classification"
        # Not buffers: precision bf16-true would round them to eight bits.
        self.weights = weights
        self.sums = {"train": [0.0, 0.0], "valid": [0.0, 0.0]}
        self.metrics = metrics
        self.counts = True
        """Whether the rows of this process count: with fewer rows than processes some processes only repeat rows."""

    def forward(self, **inputs: Tensor) -> Tensor:
        """The network's logits."""
        logits: Tensor = self.network(**inputs)
        return logits

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """The loss of a batch."""
        inputs, targets = batch
        total, weight = self._loss(self(**inputs), targets)
        loss = total / weight
        self.log("train/loss_step", loss, prog_bar=True, batch_size=len(targets))
        if self.counts:
            self._add("train", total, weight)
        return loss

    def on_train_epoch_end(self) -> None:
        """Log the mean loss of the epoch."""
        self._log_mean("train")

    def validation_step(self, batch: Batch, _: int) -> None:
        """Add a batch to the loss and the metrics of the epoch."""
        inputs, targets = batch
        logits = self(**inputs)
        self._add("valid", *self._loss(logits, targets))
        self.metrics.update(logits.float(), targets)

    def _loss(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The summed loss of all rows and the divisor of the mean, at least in float32."""
        values = logits.to(torch.promote_types(logits.dtype, torch.float32))
        if self.classes:
            weights = None if self.weights is None else self.weights.to(values)
            total = functional.cross_entropy(values, targets, weight=weights, reduction="sum")
            return total, self.weight(targets).to(values)
        total = functional.mse_loss(self._scaled(values), self._scaled(targets.to(values)), reduction="sum")
        return total, values.new_tensor(len(targets))

    def weight(self, targets: Tensor) -> Tensor:
        """The divisor of the loss of these rows: their number, or the sum of the class weights."""
        rows = torch.tensor(float(len(targets)), device=targets.device)
        return rows if self.weights is None else self.weights.to(targets.device)[targets].sum()

    def _add(self, split: str, total: Tensor, weight: Tensor) -> None:
        """Add to the sums in float64. Lightning's own mean restarts when a run resumes."""
        for at, value in enumerate((total, weight)):
            self.sums[split][at] += float(value.detach())

    def _log_mean(self, split: str) -> None:
        """Log the mean loss over the rows of all processes, and reset the sums."""
        sums = torch.tensor(self.sums[split], dtype=torch.float32, device=self.device)
        if self.trainer.world_size > 1:
            sums = self.trainer.strategy.reduce(sums, reduce_op="sum")
        self.log(f"{split}/loss", sums[0] / sums[1], prog_bar=split == "valid")
        self.sums[split] = [0.0, 0.0]

    def on_save_checkpoint(self, checkpoint: dict[str, object]) -> None:
        """Save the sums of an unfinished epoch; of several processes the mean, since each loads the same file."""
        reduce = self.trainer.strategy.reduce
        sums = {split: torch.tensor(values, device=self.device) for split, values in self.sums.items()}
        many = self.trainer.world_size > 1
        checkpoint["sums"] = {s: reduce(v, reduce_op="mean").tolist() for s, v in sums.items()} if many else self.sums

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the sums of the interrupted epoch."""
        self.sums = {split: list(values) for split, values in checkpoint["sums"].items()}

    def _scaled(self, values: Tensor) -> Tensor:
        """Values in standard deviations of the target, so that the learning rate does not depend on its unit."""
        scale = getattr(self.network, "scale", None)
        return values if scale is None else values / scale

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of the whole validation split."""
        self._log_mean("valid")
        self.log_dict({f"valid/{name}": value for name, value in self.metrics.compute().items()})
        self.metrics.reset()

    def configure_optimizers(self) -> Any:
        """The optimizer and schedule of the `train` section."""
        return optimizers(self.network, self.settings, int(self.trainer.estimated_stepping_batches))
