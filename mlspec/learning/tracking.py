"""Logs a training run to Weights & Biases: config, curves, confusion matrix, wrong predictions, and the model."""

from __future__ import annotations

import hashlib
import os
import secrets
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger

from mlspec.errors import StageError
from mlspec.job import Job, write_text
from mlspec.learning import ranks
from mlspec.learning.infer import logits
from mlspec.learning.split_rows import Rows
from mlspec.records.schema import Schema
from mlspec.runtime.predictor import softmax
from mlspec.runtime.preprocess import Preprocess
from mlspec.runtime.preprocess.base import Array
from mlspec.sections.track import TrackSpec, Wandb
from mlspec.spec.project import ProjectInfo
from mlspec.watch import paused

WRONG = 200
"""Maximum number of wrong predictions in the table, the most confident first."""


class Tracker:
    """The logger of the run, or False without `track.wandb`. An exception in its context marks the run as failed."""

    def __init__(self, job: Job, scratch: Path) -> None:
        section = job.get(TrackSpec)
        self.job = job
        self.settings: Wandb | None = section.wandb if section else None
        enabled = self.settings is not None and self.settings.mode != "disabled" and ranks.first()
        self.logger: Any = self._start(scratch) if enabled else False

    def __enter__(self) -> Tracker:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.logger:
            self.logger.experiment.finish(exit_code=0 if kind is None else 1)

    def _start(self, scratch: Path) -> Logger:
        settings, job = self.settings, self.job
        assert settings is not None
        try:
            import wandb
            from pytorch_lightning.loggers import WandbLogger
        except ImportError:
            raise StageError("track.wandb needs the package wandb", help="pip install 'mlspec[wandb]'") from None
        key = os.environ.get(settings.api_key.env)
        if settings.mode == "online" and not key:
            raise StageError(
                f"track.wandb.mode is online, but the environment variable {settings.api_key.env} is not set",
                help=f"export {settings.api_key.env}=..., or set track.wandb.mode to offline",
            )
        folder = job.root / ".mlspec" / "wandb"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            run = wandb.init(
                id=_identity(scratch),
                resume="allow" if settings.mode == "online" else None,
                project=settings.project,
                entity=settings.entity,
                tags=settings.tags,
                group=settings.group,
                mode=settings.mode,
                dir=str(folder),
                name=job.need(ProjectInfo).name,
                config={**{k: v for k, v in job.config.items() if k != "hydra"}, "lineage": lineage(job)},
                reinit="finish_previous",
                settings=wandb.Settings(silent=True, api_key=key if settings.mode == "online" else None),
            )
        except (wandb.errors.Error, OSError) as error:
            raise StageError(
                f"cannot connect to Weights & Biases: {str(error).splitlines()[0]}",
                help="set track.wandb.mode to offline and upload the run later with `wandb sync`",
            ) from None
        return WandbLogger(experiment=run)

    def finish(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        valid: Rows,
        preprocess: Preprocess,
        schema: Schema,
        outputs: Path,
    ) -> None:
        """Log the confusion matrix, the wrong predictions and the model."""
        if not self.logger or not trainer.is_global_zero:
            return
        import wandb

        run = self.logger.experiment
        labels = list(schema.labels)
        if labels:
            chances = softmax(logits(module, valid, preprocess))
            run.log({"valid/confusion": _confusion(wandb, chances, valid, labels)})
            run.log({"valid/wrong": _wrong(wandb, chances, valid, schema)})
        if self.settings and self.settings.log_model:
            artifact = wandb.Artifact(f"{run.project}-model", type="model", metadata={"schema": schema.to_json()})
            artifact.add_file(str(outputs / "model" / "best.ckpt"))
            artifact.add_dir(str(outputs / "model" / "preprocess"), name="preprocess")
            run.log_artifact(artifact)


def _identity(scratch: Path) -> str:
    """The id of a run, which stays the same when it resumes."""
    path = scratch / "run-id"
    if not path.exists():
        write_text(path, secrets.token_hex(4))
    return path.read_text(encoding="ascii")


def lineage(job: Job) -> dict[str, str | bool | None]:
    """The lineage of the model: the commit, and the SHA-256 of the splits and of `dvc.lock`."""
    files = {f"data/{name}": job.inputs / "data" / name for name in ("train.parquet", "valid.parquet", "schema.json")}
    files["dvc.lock"] = job.root / "dvc.lock"
    digests = {n: hashlib.sha256(path.read_bytes()).hexdigest() for n, path in files.items() if path.is_file()}
    return {"commit": _git(job.root, "rev-parse", "HEAD"), "changed": bool(_git(job.root, "status", "-s")), **digests}


def _git(root: Path, *arguments: str) -> str | None:
    try:
        with paused():  # git opens every file that changed
            done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _confusion(wandb: ModuleType, chances: Array, rows: Rows, labels: list[str]) -> object:
    return wandb.plot.confusion_matrix(
        y_true=rows.targets.tolist(),
        preds=chances.argmax(1).tolist(),
        class_names=labels,
        title="Confusion (validation)",
    )


def _wrong(wandb: ModuleType, chances: Array, rows: Rows, schema: Schema) -> object:
    labels = schema.labels
    shown = [name for name, column in schema.inputs.items() if column.type != "image"]
    guessed = chances.argmax(1)
    wrong = sorted(np.flatnonzero(guessed != rows.targets), key=lambda row: -chances[row].max())[:WRONG]
    table = wandb.Table(columns=[*shown, "actual", "predicted", "score"])
    for row in wrong:
        values = [rows.table[name][int(row)].as_py() for name in shown]
        table.add_data(*values, labels[rows.targets[row]], labels[guessed[row]], float(chances[row].max()))
    return table
