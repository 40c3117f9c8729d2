"""A finished run to its files (docs/architecture/03-plan-to-results.md): checkpoints, preprocessing, metrics."""

from __future__ import annotations

import csv
import io
import math
import pickle
import shutil
from pathlib import Path
from typing import Any

import torch

from mlspec.errors import StageError
from mlspec.job import Job, fresh, swap, write_text
from mlspec.learning import ranks
from mlspec.parts.train.fitting import Fitting
from mlspec.records.decisions import TrainDecisions
from mlspec.records.training import Best, Training
from mlspec.sections.model import Custom, ModelSpec

_RESUMING = ("optimizer_states", "lr_schedulers", "loops", "callbacks", "random", "position", "sums", "MixedPrecision")
"""What only a run that goes on needs; two thirds of a checkpoint."""


def write(job: Job, run: Fitting, scratch: Path, decisions: TrainDecisions) -> None:
    """Write them all, in the one process that writes."""
    if not Path(run.best.best_model_path).is_file():
        raise StageError(
            "training ended without a checkpoint",
            help=f"is {run.train.checkpoint.monitor} logged in validation? see train.checkpoint.monitor",
        )
    _best_of(run)
    # All processes have a part in saving.
    run.trainer.save_checkpoint(scratch / "last.ckpt")
    if not ranks.first():
        return
    kept = _best(Path(run.best.best_model_path))
    made = fresh(job.outputs / "model")
    torch.save(kept, made / "best.ckpt")
    shutil.copyfile(scratch / "last.ckpt", made / "last.ckpt")
    shutil.copytree(
        scratch / "preprocess", made / "preprocess", ignore=shutil.ignore_patterns("pretrained-*", "fitted")
    )
    swap(made, job.outputs / "model")
    write_text(job.outputs / "plots" / "train.csv", _table(run.curves.rows))
    _summary(run, int(kept["epoch"]) + 1).write(job.outputs)
    decisions.write(job.outputs)


def _best_of(run: Fitting) -> None:
    """Raise StageError where no epoch can be the best: Lightning would keep one of them all the same."""
    if run.best.best_model_score is None or _number(float(run.best.best_model_score)) is not None:
        return
    name = run.train.checkpoint.monitor
    why = run.curves.why(name) if name in run.curves.undefined else "it is infinite"
    own = isinstance(run.job.need(ModelSpec), Custom)
    log = f"log a finite {name} in validation, or " if own else ""
    raise StageError(
        f"checkpoint: {name} has no finite value in any epoch, so that none is the best: {why}",
        help=f"{log}set train.checkpoint.monitor to another metric",
    )


def _best(path: Path) -> dict[str, Any]:
    """The checkpoint to keep. It can be loaded with `weights_only=True`, which runs no code that a pickle holds."""
    try:
        found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        # Objects among the user's hyperparameters. This run has just written the file itself.
        found = torch.load(path, map_location="cpu", weights_only=False)
        found = {key: found[key] for key in ("state_dict", "mlspec", "epoch", "global_step")}
    return {key: value for key, value in found.items() if key not in _RESUMING}


def _table(rows: list[dict[str, float]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    first, last = ["epoch", "step"], ["learning_rate"]
    text = io.StringIO()
    writer = csv.DictWriter(text, [*first, *(n for n in names if n not in (*first, *last)), *last], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _number(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _summary(run: Fitting, epoch: int) -> Training:
    """`epoch` is that of the checkpoint that is kept, counted from 1."""
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
    )


def _number(value: float | None) -> float | None:
    """JSON has no NaN: a metric that is not defined is null, and in a table nothing."""
    return value if value is not None and math.isfinite(value) else None
