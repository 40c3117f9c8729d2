"""Logs a training run to Weights & Biases: config, curves, confusion matrix, wrong predictions, and the model."""

from __future__ import annotations

import os
from typing import Any

from pytorch_lightning.loggers import Logger

from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.sections.track import Wandb
from mlspec.sections.tracker import TrackerOptions
from mlspec.spec.project import ProjectInfo
from mlspec.tracking.run_lineage import lineage
from mlspec.tracking.tracker import TrainedModel
from mlspec.tracking.validation_results import validation_results


class WandbTracker:
    """A run of W&B."""

    def __init__(self, settings: Wandb, run: Any, logger: Logger) -> None:
        self.logger = logger
        self._settings, self._run = settings, run

    @property
    def page(self) -> str | None:
        """The page of the run; None offline."""
        return self._run.url or None

    def finish(self, trained: TrainedModel) -> None:
        """Log the confusion matrix, the wrong predictions and the model."""
        import wandb

        run = self._run
        if (results := validation_results(trained)) is not None:
            confusion = wandb.plot.confusion_matrix(
                y_true=results.actual,
                preds=results.predicted,
                class_names=list(results.labels),
                title="Confusion (validation)",
            )
            run.log({"valid/confusion": confusion})
            table = wandb.Table(columns=[*results.columns])
            for row in results.wrong:
                table.add_data(*row)
            run.log({"valid/wrong": table})
        if self._settings.log_model:
            metadata = {"schema": trained.schema.to_json()}
            artifact = wandb.Artifact(f"{run.project}-model", type="model", metadata=metadata)
            artifact.add_file(str(trained.outputs / "model" / "best.ckpt"))
            artifact.add_dir(str(trained.outputs / "model" / "preprocess"), name="preprocess")
            run.log_artifact(artifact)

    def close(self, *, failed: bool) -> None:
        """End the run."""
        self._run.finish(exit_code=1 if failed else 0)


def start(job: Job, settings: TrackerOptions, identity: str) -> WandbTracker:
    """Start, or resume, the run `identity`. Raises StageError."""
    assert isinstance(settings, Wandb)
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
            id=identity,
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
    return WandbTracker(settings, run, WandbLogger(experiment=run))
