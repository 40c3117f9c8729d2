"""Detects after the first epoch metric names that a model logs both in training and in validation."""

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
    """Stops training if such a name is monitored, and warns about others.

    A subclass of Checkpoint because Lightning runs these last, after the module's hooks have logged their metrics.
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
            for result in results.values():
                method = result.meta.fx.partition(".")[0]  # after the dot is the number of the loader
                logged.setdefault(result.meta.name, {})[method] = self._place(pl_module, method)
        for name, places in logged.items():
            self._judge(name, places, trainer.is_global_zero)

    def _judge(self, name: str, places: dict[str, str], shown: bool) -> None:
        key = self.monitors.get(name)
        finding = ambiguous(name, places, (*key[:-1], "metric" if key[-1] == "goal" else "monitor") if key else None)
        if finding is not None and finding.severity == "error":
            raise StageError(finding.message, help=finding.help, code=finding.code)
        if finding is not None and shown:
            warn(finding.message, finding.help)

    def _place(self, module: pl.LightningModule, method: str) -> str:
        """` (src/model.py:12)`, where the method begins, if it is in the project."""
        function = getattr(type(module), method, None)
        file = Path(inspect.getfile(function)).resolve() if inspect.isfunction(function) else Path("/")
        root = self.root.resolve()
        if function is None or not file.is_relative_to(root) or not file.is_file():
            return ""
        return f" ({file.relative_to(root).as_posix()}:{inspect.getsourcelines(function)[1]})"
