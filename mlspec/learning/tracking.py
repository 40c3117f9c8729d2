"""A training run to Weights & Biases: config, curves, confusion matrix, wrong predictions, and the model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl

from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.learning.infer import logits
from mlspec.learning.rows import Rows
from mlspec.parts.track.spec import TrackSpec, Wandb
from mlspec.runtime.predictor import softmax
from mlspec.runtime.preprocess import Preprocess
from mlspec.spec.project import ProjectInfo

WRONG = 200
"""Wrong predictions in the table, the surest first."""


class Tracker:
    """The run's logger, or nothing where the spec asks for none."""

    def __init__(self, job: Job) -> None:
        section = job.get(TrackSpec)
        self.settings: Wandb | None = section.wandb if section else None
        self.logger: Any = self._start(job) if self.settings and self.settings.mode != "disabled" else False

    def _start(self, job: Job) -> Any:
        settings = self.settings
        assert settings is not None
        try:
            import wandb
            from pytorch_lightning.loggers import WandbLogger
        except ImportError:
            raise StageError("track.wandb needs the package wandb", help="pip install 'mlspec[wandb]'") from None
        key = os.environ.get(settings.api_key.env)
        if settings.mode == "online" and not key:
            raise StageError(
                f"track.wandb is online, and {settings.api_key.env} is not set",
                help=f"export {settings.api_key.env}=..., or set track.wandb.mode to offline",
            )
        folder = job.root / ".mlspec" / "wandb"
        folder.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault("WANDB_SILENT", "true")
        os.environ.setdefault("WANDB_DISABLE_GIT", "false")
        run = wandb.init(
            project=settings.project,
            entity=settings.entity,
            tags=settings.tags,
            group=settings.group,
            mode=settings.mode,
            dir=str(folder),
            name=job.need(ProjectInfo).name,
            config={name: value for name, value in job.config.items() if name != "hydra"},
            reinit="finish_previous",
        )
        return WandbLogger(experiment=run)

    def finish(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        valid: Rows,
        preprocess: Preprocess,
        schema: Mapping[str, Any],
        outputs: Path,
    ) -> None:
        """Add what is known at the end, and close the run."""
        if not self.logger or not trainer.is_global_zero:
            return
        import wandb

        run = self.logger.experiment
        labels = schema["target"].get("labels")
        if labels:
            chances = softmax(logits(module, valid, preprocess))
            run.log({"valid/confusion": _confusion(wandb, chances, valid, labels)})
            run.log({"valid/wrong": _wrong(wandb, chances, valid, schema)})
        if self.settings and self.settings.log_model:
            made = wandb.Artifact(f"{run.project}-model", type="model", metadata={"schema": dict(schema)})
            made.add_dir(str(outputs / "model"))
            run.log_artifact(made)
        run.finish()


def _confusion(wandb: Any, chances: Any, rows: Rows, labels: list[str]) -> Any:
    return wandb.plot.confusion_matrix(
        y_true=rows.targets.tolist(),
        preds=chances.argmax(1).tolist(),
        class_names=labels,
        title="Confusion (validation)",
    )


def _wrong(wandb: Any, chances: Any, rows: Rows, schema: Mapping[str, Any]) -> Any:
    labels, inputs = schema["target"]["labels"], schema["inputs"]
    shown = [name for name, described in inputs.items() if described["type"] != "image"]
    guessed = chances.argmax(1)
    wrong = sorted(np.flatnonzero(guessed != rows.targets), key=lambda row: -chances[row].max())[:WRONG]
    table = wandb.Table(columns=[*shown, "actual", "predicted", "score"])
    for row in wrong:
        values = [rows.table[name][int(row)].as_py() for name in shown]
        table.add_data(*values, labels[rows.targets[row]], labels[guessed[row]], float(chances[row].max()))
    return table
