"""A finished run to its files (docs/architecture/03-plan-to-results.md): checkpoints, preprocessing, metrics."""

from __future__ import annotations

import csv
import io
import math
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch

from mlspec.errors import StageError
from mlspec.job import Job, fresh, swap, write_text
from mlspec.learning import ranks
from mlspec.learning.checkpoint_files import load_tensors
from mlspec.parts.train.fitting import Fitting
from mlspec.records.decisions import TrainDecisions
from mlspec.records.training import Best, Training
from mlspec.sections.model import Custom, ModelSpec

_RESUMING = ("optimizer_states", "lr_schedulers", "loops", "callbacks", "random", "position", "sums", "MixedPrecision")
"""Keys of a checkpoint that are only needed to resume; two thirds of its size."""


def write(job: Job, run: Fitting, scratch: Path, decisions: TrainDecisions, pages: Mapping[str, str]) -> None:
    """Write all files, in the first process; `pages` are those of the tracked runs. Raises StageError without a best
    checkpoint."""
    if not Path(run.best.best_model_path).is_file():
        raise StageError(
            "training ended without a checkpoint",
            help=f"log {run.train.checkpoint.monitor} in validation, or change train.checkpoint.monitor",
        )
    _best_of(run)
    # Saving is a collective operation of all processes.
    run.trainer.save_checkpoint(scratch / "last.ckpt")
    if not ranks.first():
        return
    checkpoint = _best(Path(run.best.best_model_path))
    folder = fresh(job.outputs / "model")
    torch.save(checkpoint, folder / "best.ckpt")
    shutil.copyfile(scratch / "last.ckpt", folder / "last.ckpt")
    shutil.copytree(
        scratch / "preprocess", folder / "preprocess", ignore=shutil.ignore_patterns("pretrained-*", "fitted")
    )
    swap(folder, job.outputs / "model")
    write_text(job.outputs / "plots" / "train.csv", _table(run.curves.rows))
    epoch = checkpoint["epoch"]
    assert isinstance(epoch, int)
    _summary(run, epoch + 1, pages).write(job.outputs)
    decisions.write(job.outputs)


def _best_of(run: Fitting) -> None:
    """Raise StageError if no epoch has a finite score: Lightning would still select one."""
    if run.best.best_model_score is None or _number(float(run.best.best_model_score)) is not None:
        return
    name = run.train.checkpoint.monitor
    why = run.curves.why(name) if name in run.curves.undefined else "it is infinite"
    own = isinstance(run.job.need(ModelSpec), Custom)
    log = f"log a finite {name} in validation, or " if own else ""
    raise StageError(
        f"cannot select the best checkpoint: {name} is not finite in any epoch: {why}",
        help=f"{log}set train.checkpoint.monitor to another metric",
    )


def _best(path: Path) -> dict[str, object]:
    """The checkpoint without the keys for resuming."""
    return {key: value for key, value in load_tensors(path).items() if key not in _RESUMING}


def _table(rows: list[dict[str, float]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    first, last = ["epoch", "step"], ["learning_rate"]
    text = io.StringIO()
    writer = csv.DictWriter(text, [*first, *(n for n in names if n not in (*first, *last)), *last], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _number(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _summary(run: Fitting, epoch: int, pages: Mapping[str, str]) -> Training:
    """The record of the training; `epoch` is that of the best checkpoint, counted from 1."""
    rows, monitor = run.curves.rows, run.monitors["checkpoint"]
    score = float(run.best.best_model_score) if run.best.best_model_score is not None else None
    best = next((row for row in rows if row["epoch"] == epoch), rows[-1])
    valid = {name: _number(best[name]) for name in run.curves.valid if name in best}
    undefined = {name: run.curves.why(name) for name, value in valid.items() if value is None}
    return Training(
        epochs=len(rows),
        steps=int(run.trainer.global_step),
        best=Best(
            monitor=monitor.name,
            mode=monitor.mode,
            value=_number(score),
            epoch=int(best["epoch"]),
            step=int(best["step"]),
        ),
        valid=valid,
        undefined=undefined,
        speed=run.times.use(run.trainer, run.compiled),
        runs=pages,
        tuned=run.tuned,
    )


def _number(value: float | None) -> float | None:
    """The value, or None if it is not finite: null in JSON, empty in a table."""
    return value if value is not None and math.isfinite(value) else None
