"""The stage `train`: fits preprocessing and model, and resumes an interrupted run."""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as parquet
import pytorch_lightning as pl
import torch

from mlspec.diagnostics import Finding
from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.learning import ranks
from mlspec.learning.build import load_module, network
from mlspec.learning.devices import of_evaluation
from mlspec.learning.learner import Learner
from mlspec.learning.metrics import Scores
from mlspec.learning.networks import TabularNetwork
from mlspec.learning.out_of_memory import memory_sentence
from mlspec.learning.prepare import prepared
from mlspec.learning.preprocess_trial import accepted
from mlspec.learning.split_rows import Rows, load, texts_cut
from mlspec.learning.threads import limit_threads
from mlspec.parts.evaluate import slices, undefined_metrics
from mlspec.parts.model.trusted_pickles import check_trusted
from mlspec.parts.train import training_warnings
from mlspec.parts.train.fitting import Fitting
from mlspec.parts.train.minimum_rows import enough, epochs, normalisable, uneven
from mlspec.parts.train.old_trainings import remove_old_trainings, started
from mlspec.parts.train.run_fingerprint import fingerprint
from mlspec.parts.train.searches import tuned
from mlspec.parts.train.training_files import write
from mlspec.parts.train.tuned_values import decisions, give, with_values
from mlspec.parts.train.tuning import Material
from mlspec.records.decisions import Decision, TrainDecisions
from mlspec.records.schema import Schema
from mlspec.records.training import Tuned
from mlspec.runtime.preprocess import Preprocess
from mlspec.sections.data import DataSpec
from mlspec.sections.evaluate import EvaluateSpec
from mlspec.sections.metric_names import DEFAULT
from mlspec.sections.model import Custom, ModelSpec
from mlspec.sections.train import TrainSpec
from mlspec.stage_result import decide, warn
from mlspec.tracking.run_trackers import tracked
from mlspec.tracking.tracker import TrainedModel


def main(job: Job) -> float | None:
    """Run the stage. Returns the best value of the sweep's metric, or of the one that selects the checkpoint."""
    check_trusted(job, "model")
    count = ranks.world(job.need(TrainSpec))
    return train_here(job) if count == 1 else train_in_processes(job, count)


def train_in_processes(job: Job, count: int, body: ranks.Body | None = None) -> float | None:
    """Train in `count` processes, each of which calls `body`; the default trains."""
    _quiet()
    schema = Schema.read(job.inputs)
    # Once, before several processes would do it.
    prepared(job.need(ModelSpec), schema, job.inputs / "data", _scratch(job) / "preprocess", job.root, job.scratch)
    return ranks.together(body or train_here, job, count)


def _scratch(job: Job) -> Path:
    return job.scratch / f"train-{fingerprint(job)}"


def train_here(job: Job) -> float | None:
    """Train in this process, which may be one of several."""
    train, model = job.need(TrainSpec), job.need(ModelSpec)
    _quiet()
    limit_threads(ranks.count())
    pl.seed_everything(train.seed, workers=True, verbose=False)
    data = job.inputs / "data"
    schema = Schema.read(job.inputs)
    _sliceable(job, data)
    scratch = _scratch(job)
    started(scratch)
    preprocess, vocab = prepared(model, schema, data, scratch / "preprocess", job.root, job.scratch)
    rows = {split: load(data, split, preprocess, job.scratch) for split in ("train", "valid")}
    ours = not (isinstance(model, Custom) and model.loader)
    enough(train, rows, ranks.count(), ours)
    if not isinstance(model, Custom):
        targets = rows["valid"].targets.tolist()
        if error := undefined_metrics.shown(
            undefined_metrics.monitors(undefined_metrics.watched(job.config), job.need(DataSpec).task, targets)
        ):
            raise StageError(error[0], help=error[1])
    spec, values = job, _tuned(job, schema, vocab, rows, preprocess)
    job = with_values(job, values)
    train = job.need(TrainSpec)
    for message in uneven(train, len(rows["train"]), ranks.count()) if ours and ranks.first() else ():
        print(f"{message}")
    for split, split_rows in rows.items():
        for message in texts_cut(split_rows, preprocess, split) if ranks.first() else ():
            warn(message)
    module, described = _module(job, schema, vocab, rows["train"], preprocess.names)
    give(module, values)
    with tracked(job, scratch) as trackers:
        fitting = Fitting(job, scratch, described, trackers.loggers or False, values)
        record = TrainDecisions.of([*decided(fitting), *decisions(spec, values)])
        for line in record.lines() if ranks.first() else ():
            decide(line)
        for warning in probable_mistakes(fitting, len(rows["train"]), ours) if ranks.first() else ():
            warn(warning.message, warning.help)
        fitting.fit(module, rows, preprocess)
        write(job, fitting, scratch, record, trackers.pages)
        source = str(model.loader or "") if isinstance(model, Custom) else ""
        if (advice := fitting.times.advice(train.workers, source)) and ranks.first():
            warn(*advice)
        with memory_sentence("set evaluate.accelerator: cpu"):
            trackers.finish(lambda: TrainedModel(_best(job, schema), rows["valid"], preprocess, schema, job.outputs))
    if ranks.first():
        shutil.rmtree(scratch, ignore_errors=True)
        remove_old_trainings(job.scratch)
    return fitting.value()


def _best(job: Job, schema: Schema) -> torch.nn.Module:
    """The model of the checkpoint that was written, as `evaluate` loads it: not that of the last epoch, and in single
    precision."""
    return load_module(job.outputs / "model", schema, job.root).to(of_evaluation(job))


def _tuned(job: Job, schema: Schema, vocab: int, rows: dict[str, Rows], preprocess: Preprocess) -> Tuned | None:
    """What `train.tune` and `train.precision: auto` find."""

    def make(changed: Job) -> pl.LightningModule:
        return _module(changed, schema, vocab, rows["train"], preprocess.names)[0]

    return tuned(job, Material(rows, preprocess, make, _scratch(job), vocab))


def decided(run: Fitting) -> list[Decision]:
    """The metrics that the run monitors, and which direction is better."""
    return [Decision(m.subject, m.reading, ".".join(m.key)) for m in run.monitors.values()]


def probable_mistakes(run: Fitting, rows: int, ours: bool) -> Iterator[Finding]:
    """Warnings about the monitored metrics. `ours`: the user has no data module."""
    yield from filter(None, map(training_warnings.against, run.monitors.values()))
    most = epochs(run.train, rows) if ours else (run.train.max_epochs, "max_epochs")
    if finding := training_warnings.idle(run.train, *most):
        yield finding


def _sliceable(job: Job, data: Path) -> None:
    evaluation = job.get(EvaluateSpec)
    columns = parquet.read_schema(data / "train.parquet").names
    if evaluation is not None and (missing := slices.unknown(evaluation.cuts, columns)):
        raise StageError(missing[0], help=missing[1])


def _module(
    job: Job, schema: Schema, vocab: int, rows: Rows, names: Sequence[str]
) -> tuple[pl.LightningModule, dict[str, object]]:
    train, model = job.need(TrainSpec), job.need(ModelSpec)
    module, described = network(model, schema, vocab, job.root)
    if isinstance(model, Custom):
        if not isinstance(module, pl.LightningModule):
            raise StageError(
                f"{model.class_} is not a LightningModule", help="derive it from pytorch_lightning.LightningModule"
            )
        if model.prepares:
            accepted(module.forward, names, model.prepares, model.class_)
        return module, described
    normalisable(module, train, rows)
    task = job.need(DataSpec).task
    if isinstance(module, TabularNetwork) and task == "regression":
        module.learn_unit(torch.from_numpy(rows.targets))
    evaluate = job.get(EvaluateSpec) or EvaluateSpec()
    # Computed as in the stage `evaluate`, so that valid/f1 is the f1 of a gate.
    metrics = Scores(
        dict.fromkeys([*DEFAULT[task], *evaluate.metrics]),
        task,
        average=evaluate.average,
        threshold=evaluate.threshold,
    )
    weights = _balanced(rows, len(schema.labels)) if train.class_weights == "balanced" else None
    return Learner(module, task, metrics, train, weights), described


def _balanced(rows: Rows, classes: int) -> torch.Tensor:
    """The weight of each label; 1 for a label without rows, so that it does not dominate valid/loss."""
    counts = torch.bincount(torch.from_numpy(rows.targets), minlength=classes).float()
    present = counts > 0
    return torch.where(present, counts.sum() / (present.sum() * counts.clamp(min=1)), torch.ones(()))


def _quiet() -> None:
    """Silence Lightning's warnings about intended settings."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in (".*does not have many workers.*", ".*exists and is not empty.*", ".*`litlogger`.*", ".*LeafSpec.*"):
        warnings.filterwarnings("ignore", message)
    warnings.filterwarnings("ignore", category=UserWarning, module="pytorch_lightning|torch.optim|lightning_fabric")
