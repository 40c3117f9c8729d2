"""Lightning callbacks: saving so that a killed run goes on at the same step, learning curves, plain progress lines."""

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
from pytorch_lightning.callbacks import Checkpoint

from mlspec.errors import StageError
from mlspec.learning import ranks


class Keep(Checkpoint):
    """Saves the whole state every few seconds or steps, with the random generators', under one name, atomically.

    `anywhere=False` saves at the ends of epochs only: batches of a loader that is not ours cannot be left out again.
    """

    def __init__(
        self, path: Path, described: dict[str, Any], seconds: float, steps: int | None, anywhere: bool = True
    ) -> None:
        self.path = path
        self.described = described
        self.seconds, self.steps = seconds, steps
        self.anywhere = anywhere
        self.asked = False
        self._time, self._step = time.monotonic(), 0
        self._random: dict[str, Any] = {}

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any, **__: Any) -> None:
        """Save when it is due and the state is whole."""
        # Lightning would skip the validation that follows a last batch, and gradients half added up are not saved.
        whole = (
            not (trainer.is_last_batch or trainer.should_stop)
            and trainer.global_step > self._step
            and not _adding_up(trainer)
        )
        if whole and self.anywhere and self._due(trainer):
            self._save(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save when it is due, unless training ends here anyway."""
        last = trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs
        if not last and self._due(trainer):
            self._save(trainer)

    def _due(self, trainer: pl.Trainer) -> bool:
        if self.asked:
            return True
        if self.steps is not None:
            return trainer.global_step >= self._step + self.steps
        due = time.monotonic() - self._time >= self.seconds
        # All processes decide alike, since saving is a thing they do together.
        return bool(trainer.strategy.broadcast(due)) if trainer.world_size > 1 else due

    def _save(self, trainer: pl.Trainer) -> None:
        partial = self.path.with_suffix(".part")
        trainer.save_checkpoint(partial)
        if trainer.is_global_zero:
            partial.replace(self.path)
        self._time, self._step = time.monotonic(), trainer.global_step
        if self.asked:
            raise KeyboardInterrupt

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add what is needed to build the model again, and where chance stood."""
        checkpoint["mlspec"] = self.described
        checkpoint["position"] = position(trainer)
        checkpoint["random"] = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            checkpoint["random"]["cuda"] = torch.cuda.get_rng_state()

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep the generators' state for the moment that training goes on."""
        if trainer.is_global_zero:
            print("train: going on where the interrupted run stopped", flush=True)
        self._random = checkpoint.get("random", {})
        self._step = int(checkpoint.get("global_step", 0))
        if not self.anywhere:
            # A loader that is not ours draws its order from the global generator, before training starts.
            self._restore()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Set the generators back to where they stood."""
        if self.anywhere:
            self._restore()

    def _restore(self) -> None:
        if "cpu" in self._random:
            torch.set_rng_state(self._random["cpu"].cpu())
        if "cuda" in self._random and torch.cuda.is_available():
            torch.cuda.set_rng_state(self._random["cuda"].cpu())


def position(trainer: pl.Trainer) -> tuple[int, int]:
    """The epoch, and how many of its batches are done."""
    return trainer.current_epoch, trainer.fit_loop.epoch_loop.batch_progress.current.ready


def saved_position(path: Path) -> tuple[int, int]:
    """Where the run stood that was saved in `path`; the start where there is none."""
    if not path.exists():
        return 0, 0
    # A file of the project's own scratch folder, written by Keep; mapped, so that no weights are read.
    found = torch.load(path, map_location="cpu", weights_only=False, mmap=True)["position"]
    return int(found[0]), int(found[1])


def _adding_up(trainer: pl.Trainer) -> bool:
    return position(trainer)[1] % trainer.accumulate_grad_batches != 0


@contextmanager
def interruptible(keep: Keep) -> Iterator[None]:
    """Let a first Ctrl-C or SIGTERM save before it ends the run with KeyboardInterrupt; a second ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    owner = os.getpid()

    def ask(*_: Any) -> None:
        if os.getpid() != owner:
            return  # A worker process of a loader, which a terminal's Ctrl-C reaches too; `owner` ends it.
        if keep.asked:
            raise KeyboardInterrupt
        keep.asked = True
        if ranks.first():
            print("train: saving, then ending; once more ends at once", flush=True)

    for number in before:
        signal.signal(number, ask)
    try:
        yield
    except SystemExit:
        # What Lightning makes of a KeyboardInterrupt.
        raise KeyboardInterrupt from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Curves(Checkpoint):
    """One row of numbers an epoch, kept through a resume, and a plain line where no progress bar is.

    A Checkpoint for its place in the order: after the module's own hooks, so that what those log is seen.
    """

    def __init__(self, epochs: int, lines: bool) -> None:
        self.rows: list[dict[str, float]] = []
        self.valid: list[str] = []
        self.epochs, self.lines = epochs, lines
        self.why: Callable[[str], str] = lambda _: "the model logs NaN"
        """Why a metric of that name has no value."""
        self.undefined: set[str] = set()
        self._before: frozenset[str] = frozenset()

    def state_dict(self) -> dict[str, Any]:
        """The rows so far, and the names that validation logs."""
        return {"rows": self.rows, "valid": self.valid}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The rows before the kill."""
        self.rows, self.valid = list(state_dict["rows"]), list(state_dict.get("valid", ()))

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note the names that are known before validation."""
        self._before = frozenset(trainer.callback_metrics)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note the names that validation adds."""
        self.valid += sorted(set(_whole(trainer.callback_metrics)) - self._before - set(self.valid))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note the epoch's numbers."""
        found = _whole(trainer.callback_metrics)
        numbers = {name: float(found[name]) for name in sorted(found) if name not in ("epoch", "step")}
        rate = float(trainer.optimizers[0].param_groups[0]["lr"]) if trainer.optimizers else 0.0
        place = {"epoch": trainer.current_epoch + 1, "step": trainer.global_step}
        self.rows.append({**place, **numbers, "learning_rate": numbers.get("learning_rate", rate)})
        if self.lines and trainer.is_global_zero:
            shown = "  ".join(f"{n} {'undefined' if math.isnan(v) else f'{v:.4f}'}" for n, v in numbers.items())
            print(f"epoch {trainer.current_epoch + 1}/{self.epochs}  {shown}", flush=True)
        self._explain([name for name, v in numbers.items() if math.isnan(v)], self.lines and trainer.is_global_zero)

    def _explain(self, undefined: Sequence[str], shown: bool) -> None:
        """Say once why each metric is undefined."""
        for name in undefined:
            if shown and name not in self.undefined:
                print(f"note: {name} is undefined: {self.why(name)}", flush=True)
        self.undefined.update(undefined)


def _whole(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Without the values of single steps beside those of the whole epoch."""
    return {n: v for n, v in metrics.items() if not (n.endswith("_step") and n.removesuffix("_step") in metrics)}


class Finite(pl.Callback):
    """Stops a run whose loss is no number any more."""

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any) -> None:
        """Look at the loss of each batch."""
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if loss is not None and not math.isfinite(float(loss)):
            raise StageError(
                f"the loss is {float(loss)} at step {trainer.global_step}",
                help="lower train.learning_rate, set train.gradient_clip, or use train.precision 32-true",
            )


class LastStep(pl.Callback):
    """Ends the training at `steps` with a validation: where max_steps ends it within an epoch, Lightning does none."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any, **__: Any) -> None:
        """Ask for the end, as Lightning's timer does."""
        if trainer.global_step >= self.steps:
            trainer.should_stop = True
