"""Finds, after the first epoch, names that a model logs in training and in validation alike."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

from mlspec.errors import StageError
from mlspec.parts.train.monitors import MonitoredMetric
from mlspec.parts.train.training_warnings import ambiguous
from mlspec.stage_result import warn


class LoggedTwice(Checkpoint):
    """Stops a training that monitors such a name, and warns of others.

    A Checkpoint for its place in the order: after the module's own hooks, so that what those log is seen.
    """

    def __init__(self, monitors: Iterable[MonitoredMetric], root: Path) -> None:
        self.monitors = {m.name: m.key for m in monitors}
        self.root = root
        self.done = False

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare the names by the hooks that logged them."""
        if self.done:
            return
        self.done = True
        loop = trainer.fit_loop.epoch_loop
        logged: dict[str, dict[str, str]] = {}
        for results in (loop._results, loop.val_loop._results):
            for found in results.values():
                method = found.meta.fx.partition(".")[0]  # behind the dot is the number of a loader
                logged.setdefault(found.meta.name, {})[method] = self._place(pl_module, method)
        for name, places in logged.items():
            self._judge(name, places, trainer.is_global_zero)

    def _judge(self, name: str, places: dict[str, str], shown: bool) -> None:
        key = self.monitors.get(name)
        found = ambiguous(name, places, (*key[:-1], "metric" if key[-1] == "goal" else "monitor") if key else None)
        if found is not None and found.severity == "error":
            raise StageError(found.message, help=found.help, code=found.code)
        if found is not None and shown:
            warn(found.message, found.help)

    def _place(self, module: pl.LightningModule, method: str) -> str:
        """` (src/model.py:12)`, where the method begins, if it is the project's."""
        function = getattr(type(module), method, None)
        file = Path(inspect.getfile(function)).resolve() if inspect.isfunction(function) else Path("/")
        root = self.root.resolve()
        if function is None or not file.is_relative_to(root) or not file.is_file():
            return ""
        return f" ({file.relative_to(root).as_posix()}:{inspect.getsourcelines(function)[1]})"
