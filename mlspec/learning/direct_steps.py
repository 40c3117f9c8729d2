"""Training steps of mlspec's networks on a processor, without the cost of Lightning's hooks in each step.

For a small network Lightning takes longer to call its hooks than torch to compute the step. The loop here does what
Lightning's does, in the same order and with the same counters, for the batches of which nothing is logged; all others,
and all batches of other modules, are those of Lightning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import pytorch_lightning as pl
import torch
from pytorch_lightning.loops.fetchers import _DataFetcher, _PrefetchDataFetcher
from pytorch_lightning.loops.training_epoch_loop import _TrainingEpochLoop
from pytorch_lightning.plugins.precision import MixedPrecision, Precision
from pytorch_lightning.strategies import SingleDeviceStrategy

from mlspec.learning.learner import Learner

_WITHIN: Final = (
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
)
"""Hooks within a step: with a callback that has one, all steps are Lightning's."""


class DirectSteps(_TrainingEpochLoop):
    """Lightning's loop over the batches of an epoch, with shorter steps where they give the same bits."""

    def __init__(self, trainer: pl.Trainer) -> None:
        loop = trainer.fit_loop.epoch_loop
        super().__init__(trainer, loop.min_steps, loop.max_steps)
        self._direct = self._short = False
        self._parameters: list[torch.nn.Parameter] = []
        self._starts: Sequence[Callable[..., object]] = ()
        self._ends: Sequence[Callable[..., object]] = ()

    def on_run_start(self, data_fetcher: _DataFetcher) -> None:
        """Decide for the epoch whether steps can be direct."""
        super().on_run_start(data_fetcher)
        self._direct = possible(self.trainer) and isinstance(data_fetcher, _PrefetchDataFetcher)
        groups = self.trainer.optimizers[0].param_groups if self._direct else ()
        self._parameters = [parameter for group in groups for parameter in group["params"]]
        self._starts = _hooks(self.trainer, "on_train_batch_start")
        self._ends = _hooks(self.trainer, "on_train_batch_end")

    def _broadcast_sigterm_tensor(self) -> None:
        """Nothing: the processes agree on a stop in `CheckpointWriter`, and not at each step, which would wait."""

    def advance(self, data_fetcher: _DataFetcher) -> None:
        """Train on a batch."""
        self._short = self._quiet(data_fetcher)
        if self._short:
            self._step(data_fetcher)
        else:
            super().advance(data_fetcher)

    def on_advance_end(self, data_fetcher: _DataFetcher) -> None:
        """Validate if it is due, and count the batch."""
        if self._short and not self.trainer.should_stop and not self.trainer.received_sigterm:
            self._batches_that_stepped += 1
        else:
            super().on_advance_end(data_fetcher)

    def _quiet(self, data_fetcher: _DataFetcher) -> bool:
        """Whether the next batch is not the last of an epoch, and nothing of it is logged."""
        if not self._direct or self.restarting:
            return False
        last = data_fetcher.length is None or data_fetcher.fetched + 1 >= data_fetcher.length
        return not last and not self.trainer.lightning_module.logs(self.batch_idx + 1)

    def _step(self, data_fetcher: _DataFetcher) -> None:
        trainer, module = self.trainer, self.trainer.lightning_module
        batch, _, _ = next(data_fetcher)
        number = self.batch_idx + 1
        progress = self.batch_progress
        progress.is_last_batch = False
        progress.increment_ready()
        for hook in self._starts:
            hook(trainer, module, batch, number)
        module.on_train_batch_start(batch, number)
        progress.increment_started()
        output = {"loss": self._optimized(module, batch, number)}
        progress.increment_processed()
        for config in trainer.lr_scheduler_configs:
            self.scheduler_progress.increment_ready()
            module.lr_scheduler_step(config.scheduler, None)
            self.scheduler_progress.increment_completed()
        for hook in self._ends:
            hook(trainer, module, output, batch, number)
        module.on_train_batch_end(output, batch, number)
        progress.increment_completed()
        # Before the first of Lightning's steps in an epoch nothing is logged.
        if trainer.should_stop and trainer._logger_connector._first_loop_iter is not None:
            trainer._logger_connector.update_train_step_metrics()

    def _optimized(self, module: pl.LightningModule, batch: Any, number: int) -> torch.Tensor:
        """The loss of a batch; the parameters are updated."""
        trainer, progress = self.trainer, self.automatic_optimization.optim_progress.optimizer
        optimizer = trainer.optimizers[0]
        progress.step.increment_ready()
        with trainer.precision_plugin.train_step_context():
            loss = module.training_step(batch, number)
        assert isinstance(loss, torch.Tensor)
        progress.zero_grad.increment_ready()
        module.on_before_zero_grad(optimizer)
        progress.zero_grad.increment_started()
        for parameter in self._parameters:
            parameter.grad = None
        progress.zero_grad.increment_completed()
        module.on_before_backward(loss)
        module.backward(loss)
        module.on_after_backward()
        module.on_before_optimizer_step(optimizer)
        if trainer.gradient_clip_val:
            clip(self._parameters, trainer.gradient_clip_val)
        optimizer.step()
        progress.step.increment_completed()
        return loss.detach()


def possible(trainer: pl.Trainer) -> bool:
    """Whether the steps of a training can be direct: mlspec's networks on one processor, in 32-true or bf16-mixed."""
    schedules = trainer.lr_scheduler_configs
    return (
        type(trainer.lightning_module) is Learner
        and type(trainer.strategy) is SingleDeviceStrategy
        and trainer.strategy.root_device.type == "cpu"
        and _unscaled(trainer.precision_plugin)
        and trainer.accumulate_grad_batches == 1
        and len(trainer.optimizers) == 1
        and all(c.interval == "step" and c.frequency == 1 and not c.reduce_on_plateau for c in schedules)
        and not any(_hooks(trainer, name) for name in _WITHIN)
    )


def _unscaled(plugin: Precision) -> bool:
    """Whether a precision changes nothing but the context of the forward pass."""
    return type(plugin) is Precision or (type(plugin) is MixedPrecision and plugin.precision == "bf16-mixed")


def clip(parameters: Sequence[torch.Tensor], most: float) -> None:
    """What `torch.nn.utils.clip_grad_norm_` computes for parameters of one device and type, bit for bit."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if gradients:
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        torch._foreach_mul_(gradients, torch.clamp(most / (norm + 1e-6), max=1.0))


def _hooks(trainer: Any, name: str) -> list[Callable[..., object]]:
    """The methods of this name of the callbacks that have one of their own."""
    return [getattr(c, name) for c in trainer.callbacks if getattr(type(c), name) is not getattr(pl.Callback, name)]


def shorten(trainer: Any) -> None:
    """Let the loop of a new trainer take direct steps where they are possible."""
    trainer.fit_loop.epoch_loop = DirectSteps(trainer)
    if trainer.world_size > 1:
        # Lightning's handler of SIGTERM broadcasts to processes that may be in another collective operation.
        trainer._signal_connector._sigterm_notifier_fn = partial(_forward, trainer)


def _forward(trainer: Any, number: int, _: object) -> None:
    """Send a signal to the processes that Lightning started, if it did."""
    if trainer.strategy.launcher is not None:
        trainer.strategy.launcher.kill(number)
