"""The LightningModule for mlspec's networks: loss, metrics, optimizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.nn import functional

from mlspec.learning import ranks
from mlspec.learning.batches import Batch
from mlspec.learning.graph_recorder import NotCapturable
from mlspec.learning.metrics import Scores
from mlspec.learning.optimize import on_device, optimizers, with_decay
from mlspec.learning.repeatable import repeatable
from mlspec.learning.step_graphs import StepGraphs
from mlspec.learning.update_graph import UpdateGraph
from mlspec.learning.used_rows import WordRows
from mlspec.sections.metric_names import Task
from mlspec.sections.train import TrainSpec
from mlspec.stage_result import decide


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
        self.sums: dict[str, Tensor | None] = {"train": None, "valid": None}
        """Of each split the summed loss and the sum of its divisors, float64 [2] on the device."""
        self.graphs: StepGraphs | None = None
        self.update = UpdateGraph(train.gradient_clip)
        self._known = self._replayed = False
        self.words: WordRows | None = None
        self.metrics = metrics
        self.counts = True
        """Whether the rows of this process count: with fewer rows than processes some processes only repeat rows."""

    def __setattr__(self, name: str, value: Tensor | nn.Module) -> None:
        """Set an attribute. Lightning sets this one fifty times a step, and torch would search it for tensors."""
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def forward(self, **inputs: Tensor) -> Tensor:
        """The network's logits."""
        logits: Tensor = self.network(**inputs)
        return logits

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch."""
        total, weight = self._replay(batch) or self.loss(*batch)
        loss = total / weight
        if self.logs(batch_idx):
            shown = self.trainer.progress_bar_callback is not None
            self.log("train/loss_step", loss, prog_bar=shown, batch_size=len(batch[1]))
        if self.counts:
            self._add("train", total, weight)
        return loss

    def logs(self, batch_idx: int) -> bool:
        """Whether a logger or a progress bar reads the loss of this batch: they do every `log_every` steps."""
        trainer = self.trainer
        if trainer.is_last_batch:
            return True  # its value is that of the epoch
        if not trainer.loggers and trainer.progress_bar_callback is None:
            return False
        due = trainer.fit_loop.epoch_loop._batches_that_stepped + 1, batch_idx + 1
        return any(step % self.settings.log_every == 0 for step in due)

    def _replay(self, batch: Batch) -> tuple[Tensor, Tensor] | None:
        """The loss of a batch whose forward and backward pass is a graph."""
        step = None
        if self.graphs is not None:
            try:
                step = self.graphs.replay(batch)
            except NotCapturable as reason:
                self._without_graphs(reason)
        self._replayed = step is not None
        return step

    def _without_graphs(self, reason: NotCapturable) -> None:
        """Take the plain path from now on, and say so once."""
        self.graphs = None
        decide(f"train.compile: no CUDA graphs, because {reason}")

    def on_train_start(self) -> None:
        """Move the learning rates of a resumed run to the device."""
        for optimizer in self.trainer.optimizers:
            on_device(optimizer, self.device)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002
        """Look up whether the whole step of this batch is recorded."""
        self._known = self.graphs is not None and self.graphs.knows(batch)

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: torch.optim.Optimizer | LightningOptimizer,
        optimizer_closure: Callable[[], Any] | None = None,
    ) -> None:
        """A recorded step clips and updates in a graph; others as Lightning does."""
        if not self._known or optimizer_closure is None:
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
            return
        optimizer_closure()
        plain = optimizer.optimizer if isinstance(optimizer, LightningOptimizer) else optimizer
        self.on_before_optimizer_step(plain)
        try:
            self.update.run(plain)
        except NotCapturable as reason:
            self._without_graphs(reason)
            self.update.plain(plain)

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """The backward pass, unless a graph contains it."""
        if not self._replayed:
            with repeatable(self.network):
                super().backward(loss, *args, **kwargs)

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: torch.optim.Optimizer) -> None:
        """Clear the gradients, unless a graph has just written them."""
        if not self._replayed:
            super().optimizer_zero_grad(epoch, batch_idx, optimizer)

    def on_train_epoch_end(self) -> None:
        """Log the mean loss of the epoch."""
        self._log_mean("train")

    def validation_step(self, batch: Batch, _: int) -> None:
        """Add a batch to the loss and the metrics of the epoch."""
        inputs, targets = batch
        logits = self(**inputs)
        self._add("valid", *self._loss(logits, targets))
        self.metrics.update(logits.float(), targets)

    def loss(self, inputs: Mapping[str, Tensor], targets: Tensor) -> tuple[Tensor, Tensor]:
        """The summed loss of a batch and the divisor of its mean."""
        return self._loss(self(**inputs), targets)

    def _loss(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The summed loss of all rows and the divisor of the mean, at least in float32."""
        values = logits.to(torch.promote_types(logits.dtype, torch.float32))
        if self.classes:
            weights = None if self.weights is None else self.weights.to(values)
            total = functional.cross_entropy(values, targets, weight=weights, reduction="sum")
            return total, self.weight(targets).to(values)
        total = functional.mse_loss(self._scaled(values), self._scaled(targets.to(values)), reduction="sum")
        return total, values.new_full((), len(targets))

    def weight(self, targets: Tensor) -> Tensor:
        """The divisor of the loss of these rows: their number, or the sum of the class weights."""
        if self.weights is None:
            # Not of the default type, which is bfloat16 with bf16-true: it would round more than 256 rows.
            return torch.full((), len(targets), dtype=torch.float32, device=targets.device)
        if self.weights.device != targets.device:
            self.weights = self.weights.to(targets.device)
        return self.weights[targets].sum()

    def _add(self, split: str, total: Tensor, weight: Tensor) -> None:
        """Add to the sums without waiting for the device. Lightning's own mean restarts when a run resumes."""
        values = torch.stack((total.detach(), weight.detach())).to(_exact(total.device))
        sums = self.sums[split]
        self.sums[split] = values if sums is None else sums.to(values) + values

    def _log_mean(self, split: str) -> None:
        """Log the mean loss over the rows of all processes, and reset the sums."""
        sums = self._sum(split).float()
        if self.trainer.world_size > 1:
            sums = self.trainer.strategy.reduce(sums, reduce_op="sum")
        self.log(f"{split}/loss", sums[0] / sums[1], prog_bar=split == "valid")
        self.sums[split] = None

    def _sum(self, split: str) -> Tensor:
        sums = self.sums[split]
        return (
            torch.zeros(2, dtype=_exact(self.device), device=self.device)
            if sums is None
            else sums.to(self.device, copy=True)
        )

    def on_save_checkpoint(self, checkpoint: dict[str, object]) -> None:
        """Save the sums of an unfinished epoch, those of each process; and the optimizer's state of all words."""
        if self.words is not None:
            states: Any = checkpoint.get("optimizer_states", [])  # none in a checkpoint of weights
            checkpoint["optimizer_states"] = [self.words.widen(state, self._word_index()) for state in states]
        checkpoint["sums"] = ranks.gathered({split: self._sum(split).tolist() for split in self.sums})

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the sums of the interrupted epoch. Fewer processes than before share the sums of all."""
        if self.words is not None:
            for state in checkpoint["optimizer_states"]:
                self.words.narrow(state, self._word_index())
        mine = checkpoint["sums"][ranks.number() :: self.trainer.world_size]
        for split in self.sums:
            parts = [torch.tensor(sums[split], dtype=torch.float64) for sums in mine]
            self.sums[split] = torch.stack(parts).sum(0) if parts else None

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
        steps = int(self.trainer.estimated_stepping_batches)
        if self.words is None:
            return optimizers(self.network, self.settings, steps)
        created: dict[str, Any] = optimizers(self.network, self.settings, steps, self.words.begin())
        self.words.follow(created["optimizer"])
        return created

    def _word_index(self) -> int:
        """The number of the words among the optimizer's parameters."""
        assert self.words is not None
        weight = self.words.table.weight
        return next(index for index, parameter in enumerate(with_decay(self.network)) if parameter is weight)


def _exact(device: torch.device) -> torch.dtype:
    """float64; float32 on Apple's GPUs, which have none."""
    return torch.float32 if device.type == "mps" else torch.float64
