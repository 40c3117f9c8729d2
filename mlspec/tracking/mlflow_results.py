"""What the stages after a training made, to its run on the MLflow server: metrics, and the bundle as a model."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from mlspec.errors import StageError
from mlspec.job import Job, fresh
from mlspec.records.bundle_provenance import bundle_digest, bundle_version, file_digest
from mlspec.records.bundle_signature import BundleSignature
from mlspec.records.evaluation import Evaluation
from mlspec.records.lineage import Lineage
from mlspec.records.schema import Schema
from mlspec.records.tracked_run import TrackedRun, runs_of, tracked_runs
from mlspec.records.training import Training
from mlspec.render.confusion_matrix import Confusion, matrix_file
from mlspec.sections.mlflow import MlflowOptions
from mlspec.sections.tracker import TrackerOptions
from mlspec.stage_result import say
from mlspec.tracking.mlflow_journal import RunJournal
from mlspec.tracking.mlflow_model import NAME, integers, mlmodel, write_model
from mlspec.tracking.mlflow_server import MlflowServer, UnreachableError, server
from mlspec.tracking.mlflow_tracker import end_killed, new_run, tracker_of
from mlspec.tracking.mlflow_upload import CHECKPOINT_TAG, page, run_with_tag, saved, tag, upload

if TYPE_CHECKING:
    from mlflow import MlflowClient

Packages = Callable[[Path], dict[str, str]]
"""Writes the code that serves a bundle to a folder, and returns the packages that it needs with their releases."""
_FILES = ("metrics/evaluate.json", "metrics/gates.json", "metrics/robustness.json", "plots/confusion.csv")


def upload_all(job: Job, options: TrackerOptions, packages: Packages) -> None:
    """Upload every run of this machine that the server lacks, and the results and the bundle of the present model.

    Raises StageError, also where the server does not answer: the stage `track` is there for nothing else.
    """
    assert isinstance(options, MlflowOptions)
    where = server(job, tracker_of(options), options)
    end_killed(job.root, None, where.tracker)
    try:
        for run in tracked_runs(job.root):
            if run.tracker == where.tracker and not run.complete:
                run = upload(job.root, run, where)
                say(f"uploaded the run {run.url}")
        present = _present(job, options, where)
        if present is not None:
            _results(job, options, where, present, packages)
    except UnreachableError as error:
        message = f"{error}; all results are kept on this machine"
        raise StageError(message, help="run `mlspec run track` once it answers") from None


def _present(job: Job, options: MlflowOptions, where: MlflowServer) -> TrackedRun | None:
    """The run that trained the model in `artifacts/`: of this machine, of another one, or made of its records."""
    lineage, checkpoint = Lineage.find(job.inputs), job.inputs / "model" / "best.ckpt"
    if not checkpoint.is_file():
        return None
    digest = lineage.checkpoint if lineage else file_digest(checkpoint)
    known = next((run for run in runs_of(job.root, digest) if run.tracker == where.tracker), None)
    if known is not None:
        return known
    run = new_run(job, options, digest[:8], where.shown)
    with where.client() as client:
        other = run_with_tag(client, run.experiment, CHECKPOINT_TAG, digest)
    if other is not None:
        there = {"run": other.info.run_id, "url": page(where.shown, other), "checkpoint": digest}
        return saved(job.root, run, {**there, "complete": True, "ended": other.info.end_time, "status": "FINISHED"})
    return _recorded(job, run, digest, where)


def _recorded(job: Job, run: TrackedRun, digest: str, where: MlflowServer) -> TrackedRun:
    """A run of what training wrote to `artifacts/`: its tracker was not on then, or DVC restored the model."""
    journal = RunJournal(job.root, run)
    path = job.inputs / "plots" / "train.csv"
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines())) if path.is_file() else []
    for row in rows:
        values = {name: float(cell) for name, cell in row.items() if cell and name != "step"}
        journal.add(values, int(float(row.get("step") or 0)), run.started)
    journal.close()
    tags: dict[str, JsonValue] = {**run.tags, CHECKPOINT_TAG: digest}
    changed: dict[str, JsonValue] = {"checkpoint": digest, "tags": tags, "ended": run.started, "status": "FINISHED"}
    return upload(job.root, saved(job.root, run, changed), where)


def _results(job: Job, options: MlflowOptions, where: MlflowServer, run: TrackedRun, packages: Packages) -> None:
    files = [job.inputs / name for name in _FILES if (job.inputs / name).is_file()]
    digest = "".join(file_digest(file)[:8] for file in files)
    with where.client() as client:
        at = str(run.run)
        if files and run.results != digest:
            _metrics(job, client, run)
            for file in files:
                client.log_artifact(at, str(file), "evaluation")
            if (drawn := _confusion(job.inputs)) is not None:
                client.log_text(at, drawn, "evaluation/confusion.svg")
            run = saved(job.root, run, {"results": digest})
        bundle = bundle_digest(job.inputs / "bundle")
        if options.log_model and bundle is not None:
            if run.model != bundle:
                _model(job, client, at, bundle, packages)
                run = saved(job.root, run, {"model": bundle, "registered": None})
            if options.register_ and not (run.registered or "").startswith(f"{options.register_}/"):
                number = _registered(client, options.register_, at, bundle)
                run = saved(job.root, run, {"registered": f"{options.register_}/{number}"})
    say(f"{run.tracker}: {run.url}")


def _confusion(artifacts: Path) -> str | None:
    """The confusion matrix of the test split as an SVG file: MLflow shows no matrix of a CSV file with a row for each
    prediction."""
    path, schema = artifacts / "plots" / "confusion.csv", Schema.find(artifacts)
    if not path.is_file():
        return None
    with path.open(encoding="utf-8", newline="") as file:
        pairs = [(row.get("actual") or "", row.get("predicted") or "") for row in csv.DictReader(file)]
    confusion = Confusion.of(pairs, schema.labels if schema else ())
    return matrix_file(confusion) if confusion is not None else None


def _metrics(job: Job, client: MlflowClient, run: TrackedRun) -> None:
    """The metrics of evaluation, as `test/NAME` at the step of the best checkpoint."""
    from mlflow.entities import Metric

    evaluation, training = Evaluation.find(job.inputs), Training.find(job.inputs)
    if evaluation is None:
        return
    step = training.best.step if training else 0
    measured = {f"{evaluation.split}/{name}": value for name, value in evaluation.metrics.items() if value is not None}
    rows = [Metric(name, value, run.started, step) for name, value in measured.items()]
    client.log_batch(str(run.run), metrics=rows)


def _model(job: Job, client: MlflowClient, run: str, digest: str, packages: Packages) -> None:
    """Upload the bundle as an MLflow model."""
    signature = BundleSignature.read(job.inputs)
    folder = fresh(job.scratch / "mlflow-model")
    pins = packages(folder / "code")
    described = mlmodel(signature, integers(signature, job.inputs / "data" / "train.parquet"), run, digest)
    write_model(folder, job.inputs / "bundle", pins, described)
    client.log_artifacts(run, str(folder), NAME)
    version = bundle_version(digest)
    tags = {"mlflow.log-model.history": json.dumps([described])}
    tag(client, run, {**tags, "mlspec.bundle": digest, "mlspec.model_version": version})
    say(f"uploaded the bundle {version} as runs:/{run}/{NAME}")


def _registered(client: MlflowClient, name: str, run: str, digest: str) -> str:
    """The number of the version of the registered model that has this bundle, new if there was none."""
    if not any(model.name == name for model in client.search_registered_models(f"name = '{name}'")):
        client.create_registered_model(name)
    for known in client.search_model_versions(f"name = '{name}'"):
        if known.tags.get("mlspec.bundle") == digest:
            return str(known.version)
    source = f"{client.get_run(run).info.artifact_uri}/{NAME}"
    new = client.create_model_version(name, source, run, tags={"mlspec.bundle": digest}, await_creation_for=0)
    say(f"registered {name} version {new.version}")
    return str(new.version)
