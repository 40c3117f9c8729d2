"""The stage `train`: fits preprocessing and model, and goes on where a killed run stopped."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint, TQDMProgressBar

from mlspec.errors import StageError
from mlspec.job import Job, user_code, write_json, write_text
from mlspec.learning.batches import Batch, Buckets, lengths, loader
from mlspec.learning.build import custom, network, outputs
from mlspec.learning.callbacks import Curves, Finite, Keep
from mlspec.learning.learner import Learner
from mlspec.learning.prepare import prepared
from mlspec.learning.rows import Rows, load, schema
from mlspec.learning.tracking import Tracker
from mlspec.parts.data.spec import DataSpec
from mlspec.parts.evaluate.names import DEFAULT, mode
from mlspec.parts.model.spec import Custom, ModelSpec
from mlspec.parts.train.spec import TrainSpec
from mlspec.runtime.preprocess import Preprocess
from mlspec.spec.types import duration_seconds


def main(job: Job) -> float | None:
    """Run the stage; gives the best value of what the checkpoint watches, or of the sweep's metric."""
    train, model = job.need(TrainSpec), job.need(ModelSpec)
    _quiet()
    pl.seed_everything(train.seed, workers=True, verbose=False)
    data = job.inputs / "data"
    described = schema(data)
    scratch = job.scratch / f"train-{fingerprint(job)}"
    preprocess, vocab = prepared(model, described, data, scratch / "preprocess", job.root)
    rows = {split: load(data, split, preprocess) for split in ("train", "valid")}
    module, kept = _module(job, described, vocab, rows["train"])
    run = _Run(job, train, scratch, kept)
    run.fit(module, rows, preprocess)
    _finish(job, run, scratch)
    run.tracker.finish(run.trainer, module, rows["valid"], preprocess, described, job.outputs)
    shutil.rmtree(scratch, ignore_errors=True)
    return run.value(job)


def fingerprint(job: Job) -> str:
    """What a resumed run must have in common with the one that was killed: settings, data and the user's code."""
    digest = hashlib.sha256()
    for section in ("model", "train"):
        digest.update(json.dumps(job.config.get(section), sort_keys=True).encode())
    sources = sorted(path for path in (job.root / "src").rglob("*.py")) if (job.root / "src").is_dir() else []
    for path in [*(job.inputs / "data" / name for name in ("train.parquet", "valid.parquet", "schema.json")), *sources]:
        if path.exists():
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    digest.update(str(job.outputs).encode())
    return digest.hexdigest()[:16]


def _module(job: Job, described: dict[str, Any], vocab: int, rows: Rows) -> tuple[pl.LightningModule, dict[str, Any]]:
    train, model = job.need(TrainSpec), job.need(ModelSpec)
    made, kept = network(model, described, vocab, job.root)
    if isinstance(model, Custom):
        if not isinstance(made, pl.LightningModule):
            raise StageError(
                f"{model.class_} is no LightningModule", help="derive it from pytorch_lightning.LightningModule"
            )
        return made, kept
    task = job.need(DataSpec).task
    evaluated = job.config.get("evaluate")
    names = list(DEFAULT[task])
    if isinstance(evaluated, dict):
        names += [name for name in evaluated.get("metrics") or [] if name not in names]
    weights = _balanced(rows, outputs(described)) if train.class_weights == "balanced" else None
    return Learner(made, task, names, train, weights), kept


def _balanced(rows: Rows, classes: int) -> torch.Tensor:
    counts = torch.bincount(torch.from_numpy(rows.targets), minlength=classes).clamp(min=1)
    return counts.sum() / (classes * counts.float())


class _Run:
    """One training run."""

    def __init__(self, job: Job, train: TrainSpec, scratch: Path, kept: dict[str, Any]) -> None:
        self.job, self.train, self.scratch = job, train, scratch
        self.resume = scratch / "resume.ckpt"
        watched = train.checkpoint.monitor
        self.best = ModelCheckpoint(
            scratch,
            "best",
            monitor=watched,
            mode=train.checkpoint.mode or mode(watched),
            enable_version_counter=False,
        )
        terminal = sys.stderr.isatty()
        self.curves = Curves(train.max_epochs, lines=not terminal)
        seconds = duration_seconds(train.checkpoint.every)
        callbacks: list[pl.Callback] = [Keep(self.resume, kept, seconds, train.checkpoint.every_steps), self.curves]
        callbacks += [Finite(), self.best, *([TQDMProgressBar()] if terminal else [])]
        stop = train.early_stopping
        if stop is not None:
            way = stop.mode or mode(stop.monitor)
            callbacks.append(EarlyStopping(stop.monitor, stop.min_delta, stop.patience, mode=way, check_finite=False))
        self.tracker = Tracker(job)
        self.trainer = pl.Trainer(
            default_root_dir=scratch,
            max_epochs=train.max_epochs,
            max_time=timedelta(seconds=duration_seconds(train.max_time)) if train.max_time else None,
            accelerator=train.accelerator,
            devices=train.devices,
            strategy=train.strategy,
            precision=train.precision,
            gradient_clip_val=train.gradient_clip,
            accumulate_grad_batches=train.accumulate,
            deterministic="warn" if train.deterministic else False,
            callbacks=callbacks,
            logger=self.tracker.logger,
            enable_progress_bar=terminal,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
            use_distributed_sampler=False,
        )

    def fit(self, module: pl.LightningModule, rows: dict[str, Rows], preprocess: Preprocess) -> None:
        """Train to the end, from where a killed run stopped if there was one."""
        resume = str(self.resume) if self.resume.exists() else None
        if resume:
            print("train: going on where the interrupted run stopped", flush=True)
        model = self.job.need(ModelSpec)
        with _advice(), user_code(self.job.root, "training"):
            if isinstance(model, Custom) and model.datamodule is not None:
                given = custom(model.datamodule, model.datamodule_args, schema(self.job.inputs / "data"), self.job.root)
                self.trainer.fit(module, datamodule=given, ckpt_path=resume)
                return
            loaders = {split: self._loader(rows[split], preprocess, split == "train") for split in rows}
            self.trainer.fit(module, loaders["train"], loaders["valid"], ckpt_path=resume)

    def _loader(self, rows: Rows, preprocess: Preprocess, shuffle: bool) -> torch.utils.data.DataLoader[Batch]:
        train, trainer = self.train, self.trainer
        sampler = Buckets(
            lengths(rows, preprocess), train.batch_size, train.seed, trainer.global_rank, trainer.world_size, shuffle
        )
        if shuffle:
            sampler.position = lambda: (
                trainer.current_epoch,
                trainer.fit_loop.epoch_loop.batch_progress.current.ready,
            )
        return loader(rows, preprocess, sampler, train.workers)

    def value(self, job: Job) -> float | None:
        """The best value of the sweep's metric over all epochs, or of what the checkpoint watches."""
        sweep = job.config.get("sweep")
        name = sweep.get("metric") if isinstance(sweep, dict) else None
        if name:
            found = [row[name] for row in self.curves.rows if name in row]
            best = min if isinstance(sweep, dict) and sweep.get("goal") == "minimize" else max
            return best(found) if found else None
        return float(self.best.best_model_score) if self.best.best_model_score is not None else None


def _finish(job: Job, run: _Run, scratch: Path) -> None:
    """Bring checkpoints, preprocessing, curves and metrics to their places."""
    if not Path(run.best.best_model_path).is_file():
        raise StageError(
            "training ended without a checkpoint",
            help=f"is {run.train.checkpoint.monitor} logged in validation? see train.checkpoint.monitor",
        )
    folder = job.outputs / "model"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copyfile(run.best.best_model_path, folder / "best.ckpt")
    run.trainer.save_checkpoint(folder / "last.ckpt")
    shutil.copytree(scratch / "preprocess", folder / "preprocess", ignore=shutil.ignore_patterns("pretrained-*"))
    rows = run.curves.rows
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(job.outputs / "plots" / "train.csv", text.getvalue())
    watched = run.train.checkpoint.monitor
    score = float(run.best.best_model_score) if run.best.best_model_score is not None else None
    best = next((row for row in rows if row.get(watched) == score), rows[-1])
    write_json(
        job.outputs / "metrics" / "train.json",
        {
            "epochs": len(rows),
            "steps": int(run.trainer.global_step),
            "best": {"monitor": watched, "value": score, "epoch": int(best["epoch"]), "step": int(best["step"])},
            "valid": {name: value for name, value in best.items() if name.startswith("valid/")},
        },
    )


@contextmanager
def _advice() -> Iterator[None]:
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError):
        raise StageError(
            "out of memory", help="lower train.batch_size (and raise train.accumulate), or model.max_length"
        ) from None


def _quiet() -> None:
    """Lightning's notes about things that mlspec decides on purpose."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in (".*does not have many workers.*", ".*exists and is not empty.*", ".*`litlogger`.*", ".*LeafSpec.*"):
        warnings.filterwarnings("ignore", message)
    warnings.filterwarnings("ignore", category=UserWarning, module="pytorch_lightning|torch.optim|lightning_fabric")
