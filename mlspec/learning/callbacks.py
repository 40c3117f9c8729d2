"""Lightning callbacks: checkpoints that resume at the same step, learning curves, progress lines, early stops."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint, Timer, TQDMProgressBar
from pytorch_lightning.utilities.types import STEP_OUTPUT
from torch import Tensor

from mlspec.errors import StageError
from mlspec.learning import random_state, ranks
from mlspec.learning.device_use import DeviceTimes
from mlspec.learning.devices import name_of


class CheckpointWriter(Checkpoint):
    """Saves the training state and the random generators every few seconds or steps to one file, atomically.

    With `anywhere=False` it only saves at the end of an epoch, because a custom data loader cannot skip batches.
    """

    def __init__(
        self, path: Path, described: dict[str, object], seconds: float, steps: int | None, anywhere: bool = True
    ) -> None:
        self.path = path
        self.described = described
        self.seconds, self.steps = seconds, steps
        self.anywhere = anywhere
        self.stop_requested = False
        self.together = 1
        """The number of steps after which several processes agree on a stop or a save: that waits for the device."""
        self._time, self._step = time.monotonic(), 0
        self._random: list[dict[str, Any]] = []
        """The state of the random generators of each process."""

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object, **__: object) -> None:
        """Save if it is due and the state is complete."""
        # After the last batch Lightning would skip the validation on resume; accumulated gradients are not saved.
        whole = (
            not (trainer.is_last_batch or trainer.should_stop)
            and trainer.global_step > self._step
            and not _accumulating(trainer)
        )
        if whole and self.anywhere and self._due(trainer):
            self._save(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save if it is due and training continues."""
        last = trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs
        if not last and self._due(trainer, now=True):
            self._save(trainer)

    def _due(self, trainer: pl.Trainer, *, now: bool = False) -> bool:
        """Whether to save; the same in all processes. `now`: they agree, whatever the step is."""
        counted = self.steps is not None and trainer.global_step >= self._step + self.steps
        due = counted if self.steps is not None else time.monotonic() - self._time >= self.seconds
        if trainer.world_size == 1:
            return due or self.stop_requested
        if not now and trainer.global_step % self.together:
            return counted
        agreed = ranks.most(2 if self.stop_requested else int(due), trainer.strategy.root_device)
        self.stop_requested = self.stop_requested or agreed == 2
        return agreed > 0

    def _save(self, trainer: pl.Trainer) -> None:
        partial = self.path.with_suffix(".part")
        trainer.save_checkpoint(partial)
        if trainer.is_global_zero:
            partial.replace(self.path)
        self._time, self._step = time.monotonic(), trainer.global_step
        if self.stop_requested:
            trainer.strategy.barrier()  # the first process that ends ends all others
            raise KeyboardInterrupt

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the model description, the position in the epoch and the state of the random generators."""
        checkpoint["mlspec"] = self.described
        checkpoint["position"] = position(trainer)
        # Only the first process writes the file, and each draws numbers of its own.
        checkpoint["random"] = ranks.gathered(random_state.state())

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Read the state of the random generators, which is restored when training starts."""
        if trainer.is_global_zero:
            print("resuming the interrupted run", flush=True)
        self._random = checkpoint["random"]
        self._step = int(checkpoint.get("global_step", 0))
        if not self.anywhere:
            # A custom data loader draws its order from the global generator, before training starts.
            self._restore()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restore the random generators."""
        if self.anywhere:
            self._restore()

    def _restore(self) -> None:
        if ranks.number() < len(self._random):
            random_state.restore(self._random[ranks.number()])


def position(trainer: pl.Trainer) -> tuple[int, int]:
    """The epoch, and the number of its batches that are done."""
    return trainer.current_epoch, trainer.fit_loop.epoch_loop.batch_progress.current.ready


def saved_position(path: Path, *, trust: bool = False) -> tuple[int, int]:
    """The position of the run that was saved in `path`; (0, 0) without a file. `trust`: it may contain objects."""
    if not path.exists():
        return 0, 0
    # Memory-mapped, so that no weights are read.
    saved = torch.load(path, map_location="cpu", weights_only=not trust, mmap=True)["position"]
    return int(saved[0]), int(saved[1])


def _accumulating(trainer: pl.Trainer) -> bool:
    return position(trainer)[1] % trainer.accumulate_grad_batches != 0


@contextmanager
def interruptible(checkpoints: CheckpointWriter) -> Iterator[None]:
    """On the first Ctrl-C or SIGTERM, save a checkpoint, then raise KeyboardInterrupt; on the second, raise at once.

    One of several processes gets both the terminal's and its parent's: for it the second means nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    owner = os.getpid()

    def request_stop(*_: object) -> None:
        if os.getpid() != owner:
            return  # A worker process of a data loader, which gets the terminal's Ctrl-C too; `owner` stops it.
        if checkpoints.stop_requested:
            if ranks.count() > 1:
                return
            raise KeyboardInterrupt
        checkpoints.stop_requested = True
        if ranks.first():
            print("saving a checkpoint; press Ctrl-C again to quit immediately", flush=True)

    for number in before:
        signal.signal(number, request_stop)
    try:
        yield
    except SystemExit:
        # Lightning turns KeyboardInterrupt into SystemExit.
        raise KeyboardInterrupt from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Curves(Checkpoint):
    """Collects the metrics of each epoch, also across a resume, and prints a line for each without a progress bar.

    A subclass of Checkpoint because Lightning runs these last, after the module's hooks have logged their metrics.
    """

    def __init__(self, epochs: int, lines: bool, times: DeviceTimes | None = None) -> None:
        self.times = times
        self.rows: list[dict[str, float]] = []
        self.valid: list[str] = []
        self.epochs, self.lines = epochs, lines
        self.why: Callable[[str], str] = lambda _: "the model logs NaN"
        """Returns why the metric of that name is undefined."""
        self.undefined: set[str] = set()
        self._before: frozenset[str] = frozenset()

    def state_dict(self) -> dict[str, object]:
        """The rows so far, and the names of the metrics of validation."""
        return {"rows": self.rows, "valid": self.valid}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the rows of the interrupted run."""
        self.rows, self.valid = list(state_dict["rows"]), list(state_dict.get("valid", ()))

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print which device is used."""
        if self.times and trainer.is_global_zero:
            several = f", {trainer.world_size} devices" if trainer.world_size > 1 else ""
            print(f"training on {name_of(trainer.strategy.root_device)}{several}", flush=True)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record the metric names before validation."""
        self._before = frozenset(trainer.callback_metrics)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record the metric names that validation adds."""
        self.valid += sorted(set(_whole(trainer.callback_metrics)) - self._before - set(self.valid))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record the metrics of the epoch, and print them."""
        metrics = _whole(trainer.callback_metrics)
        numbers = {name: float(metrics[name]) for name in sorted(metrics) if name not in ("epoch", "step")}
        rate = _rate(trainer.optimizers[0].param_groups[0]["lr"]) if trainer.optimizers else 0.0
        place = {"epoch": trainer.current_epoch + 1, "step": trainer.global_step}
        self.rows.append({**place, **numbers, "learning_rate": numbers.get("learning_rate", rate)})
        if self.lines and trainer.is_global_zero:
            shown = "  ".join(f"{n} {'undefined' if math.isnan(v) else f'{v:.4f}'}" for n, v in numbers.items())
            speed = f"  {self.times.line}" if self.times and self.times.line else ""
            print(f"epoch {trainer.current_epoch + 1}/{self.epochs}  {shown}{speed}", flush=True)
        self._explain([name for name, v in numbers.items() if math.isnan(v)], self.lines and trainer.is_global_zero)

    def _explain(self, undefined: Sequence[str], shown: bool) -> None:
        """Print once per metric why it is undefined."""
        for name in undefined:
            if shown and name not in self.undefined:
                print(f"note: {name} is undefined: {self.why(name)}", flush=True)
        self.undefined.update(undefined)


def _rate(value: float | Tensor) -> float:
    """A learning rate. In the memory of a device it is a float32, which has seven digits."""
    return float(f"{float(value):.7g}") if isinstance(value, Tensor) else float(value)


def _whole(metrics: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The metrics without those of single steps that also exist for the epoch."""
    return {n: v for n, v in metrics.items() if not (n.endswith("_step") and n.removesuffix("_step") in metrics)}


class DeviceBar(TQDMProgressBar):
    """A progress bar that also shows how the last epoch used the device."""

    def __init__(self, refresh_rate: int, times: DeviceTimes) -> None:
        super().__init__(refresh_rate=refresh_rate)
        self.times = times

    def get_metrics(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """The logged values, and the use of the device."""
        shown = super().get_metrics(trainer, pl_module)
        return {**shown, "device": self.times.line} if self.times.line else shown


class FiniteLoss(pl.Callback):
    """Stops training when the loss is NaN or infinite.

    Reading a loss waits for the device, so on an accelerator the losses of `every` steps are read together.
    """

    def __init__(self, every: int = 1) -> None:
        self.every = every
        self._losses: list[tuple[int, Tensor]] = []

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: STEP_OUTPUT, *_: object
    ) -> None:
        """Raise StageError if the loss of a batch is NaN or infinite."""
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if loss is None:
            return
        if self.every == 1 and math.isfinite(loss):
            return
        self._losses.append((trainer.global_step, torch.as_tensor(loss).detach()))
        if len(self._losses) >= self.every:
            self._check()

    def on_validation_start(self, *_: object) -> None:
        """Check before metrics are computed."""
        self._check()

    def on_train_epoch_end(self, *_: object) -> None:
        """Check before an epoch counts."""
        self._check()

    def on_save_checkpoint(self, *_: object) -> None:
        """Check before weights are saved."""
        self._check()

    def _check(self) -> None:
        losses, self._losses = self._losses, []
        values = torch.stack([loss.float() for _, loss in losses]).tolist() if losses else []
        for (step, _), loss in zip(losses, values, strict=True):
            if not math.isfinite(loss):
                raise StageError(
                    f"the loss is {loss} at step {step}",
                    help="lower train.learning_rate, set train.gradient_clip, or use train.precision 32-true",
                )


class LastStep(pl.Callback):
    """Stops training after `steps` steps with a validation, which Lightning skips if max_steps ends within an epoch."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object, **__: object) -> None:
        """Request the stop as Lightning's Timer does."""
        if trainer.global_step >= self.steps:
            trainer.should_stop = True


class TimeLimit(Timer):
    """Lightning's limit of the training time, on which several processes agree every `together` batches.

    Lightning's own does so at each batch, which waits for the device.
    """

    together = 1

    @property
    def state_key(self) -> str:
        """The name of the state in a checkpoint: that of Lightning's own."""
        return Timer.__qualname__

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: STEP_OUTPUT, batch: object, batch_idx: int
    ) -> None:
        """Stop training after the limit."""
        if trainer.world_size == 1 or batch_idx % self.together == 0:
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def _check_time_remaining(self, trainer: pl.Trainer) -> None:
        over = self._duration is not None and self.time_elapsed() >= self._duration
        trainer.should_stop = bool(ranks.most(int(over), trainer.strategy.root_device)) or trainer.should_stop
