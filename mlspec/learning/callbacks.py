"""Lightning callbacks: saving so that a killed run goes on at the same step, learning curves, plain progress lines."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from mlspec.errors import StageError


class Keep(pl.Callback):
    """Saves the whole state every few seconds or steps, with the random generators', under one name, atomically."""

    def __init__(self, path: Path, described: dict[str, Any], seconds: float, steps: int | None) -> None:
        self.path = path
        self.described = described
        self.seconds, self.steps = seconds, steps
        self._last = time.monotonic()
        self._random: dict[str, Any] = {}

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any, **__: Any) -> None:
        """Save when it is due. All processes decide alike, since saving is a thing they do together."""
        due = time.monotonic() - self._last > self.seconds
        if self.steps is not None:
            due = trainer.global_step % self.steps == 0
        elif trainer.world_size > 1:
            due = bool(trainer.strategy.broadcast(due))
        if due:
            partial = self.path.with_suffix(".part")
            trainer.save_checkpoint(partial)
            if trainer.is_global_zero:
                partial.replace(self.path)
            self._last = time.monotonic()

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add what is needed to build the model again, and where chance stood."""
        checkpoint["mlspec"] = self.described
        checkpoint["random"] = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            checkpoint["random"]["cuda"] = torch.cuda.get_rng_state()

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep the generators' state for the moment that training goes on."""
        self._random = checkpoint.get("random", {})

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Set the generators back to where they stood."""
        if "cpu" in self._random:
            torch.set_rng_state(self._random["cpu"].cpu())
        if "cuda" in self._random and torch.cuda.is_available():
            torch.cuda.set_rng_state(self._random["cuda"].cpu())


class Curves(pl.Callback):
    """One row of numbers an epoch, kept through a resume, and a plain line where no progress bar is."""

    def __init__(self, epochs: int, lines: bool) -> None:
        self.rows: list[dict[str, float]] = []
        self.epochs, self.lines = epochs, lines

    def state_dict(self) -> dict[str, Any]:
        """The rows so far."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The rows before the kill."""
        self.rows = list(state_dict["rows"])

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note the epoch's numbers."""
        numbers = {name: float(value) for name, value in sorted(trainer.callback_metrics.items()) if "/" in name}
        rate = float(trainer.optimizers[0].param_groups[0]["lr"]) if trainer.optimizers else 0.0
        row = {"epoch": trainer.current_epoch, "step": trainer.global_step, **numbers, "learning_rate": rate}
        self.rows.append(row)
        if self.lines and trainer.is_global_zero:
            shown = "  ".join(f"{name} {value:.4f}" for name, value in numbers.items())
            print(f"epoch {trainer.current_epoch + 1}/{self.epochs}  {shown}", flush=True)


class Finite(pl.Callback):
    """Stops a run whose loss is no number any more."""

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any) -> None:
        """Look at the loss of each batch."""
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        if loss is not None and not math.isfinite(float(loss)):
            raise StageError(
                f"the loss is {float(loss)} at step {trainer.global_step}",
                help="lower train.learning_rate, set train.gradient_clip, or use train.precision 32-true",
            )
