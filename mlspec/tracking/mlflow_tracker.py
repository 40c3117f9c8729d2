"""Records a training in `.mlspec/runs/`, and sends it to an MLflow server while it runs.

Lightning's own MLFlowLogger raises an error into the training when the server does not answer; this logger never does.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pytorch_lightning.loggers import Logger

import mlspec
from mlspec.job import Job
from mlspec.records.bundle_provenance import file_digest
from mlspec.records.lineage import config_digest
from mlspec.records.tracked_run import FILE, TrackedRun, tracked_runs
from mlspec.render.confusion_matrix import Confusion, matrix_file
from mlspec.sections.mlflow import Dagshub, MlflowOptions
from mlspec.sections.tracker import TrackerOptions
from mlspec.spec.project import ProjectInfo
from mlspec.stage_result import say, warn
from mlspec.tracking.mlflow_journal import RunJournal
from mlspec.tracking.mlflow_server import MlflowServer, UnreachableError, server
from mlspec.tracking.mlflow_upload import CHECKPOINT_TAG, ID_TAG, saved, upload
from mlspec.tracking.run_lineage import lineage
from mlspec.tracking.tracker import TrainedModel
from mlspec.tracking.validation_results import ValidationResults, validation_results

_EVERY: Final = 2.0
"""Seconds between two uploads of metrics."""
_PATIENCE: Final = 60.0
"""Seconds until a server that did not answer is asked again."""
_SECTIONS: Final = ("data", "model", "train", "evaluate", "export")
_LATER: Final = "the run is kept in .mlspec/runs; `mlspec run track` uploads it"


class MlflowLogger(Logger):
    """Lightning's logger: appends metrics to the journal."""

    def __init__(self, run: TrackedRun, journal: RunJournal) -> None:
        super().__init__()
        self._run, self._journal = run, journal

    @property
    def name(self) -> str:
        """The experiment."""
        return self._run.experiment

    @property
    def version(self) -> str:
        """mlspec's id of the run."""
        return self._run.id

    def log_hyperparams(self, *_: object, **__: object) -> None:
        """Do nothing: the settings of the spec are logged."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append metrics of a step."""
        self._journal.add({n: float(v) for n, v in metrics.items()}, step or 0, _now())


class MlflowTracker:
    """One run. `server` is None offline."""

    def __init__(self, job: Job, run: TrackedRun, where: MlflowServer | None, *, resumed: bool = False) -> None:
        self._job, self._run, self._server = job, run, where
        self._journal = RunJournal(job.root, run)
        self._journal.hold()
        self.logger = MlflowLogger(run, self._journal)
        self._stop, self._thread = threading.Event(), threading.Thread(target=self._follow, daemon=True)
        self._run.save(job.root)
        if where is not None and self._sent(reopen=resumed):
            say(f"the run is at {self._run.url}")
        self._thread.start()

    @property
    def page(self) -> str | None:
        """The page of the run; None as long as the server has not answered."""
        return self._run.url

    def finish(self, trained: TrainedModel) -> None:
        """Keep the confusion matrix, the wrong predictions, and which checkpoint the run wrote."""
        checkpoint = file_digest(trained.outputs / "model" / "best.ckpt")
        tags = {**self._run.tags, CHECKPOINT_TAG: checkpoint}
        if (results := validation_results(trained)) is not None:
            confusion = _confusion(results)
            tables = _tables(results, confusion)
            for name, (columns, rows) in tables.items():
                self._journal.put(name, json.dumps({"columns": columns, "data": rows}, default=str))
            if (drawn := matrix_file(confusion)) is not None:
                self._journal.put("valid-confusion.svg", drawn)
            tags["mlflow.loggedArtifacts"] = json.dumps([{"path": name, "type": "table"} for name in tables])
        self._end_thread()
        self._run = self._run.model_copy(update={"checkpoint": checkpoint, "tags": tags})

    def close(self, *, failed: bool) -> None:
        """End the run, and upload what the server lacks."""
        self._end_thread()
        self._journal.close()
        status = "FAILED" if failed else "FINISHED"
        self._run = self._run.model_copy(update={"ended": _now(), "status": status, "complete": False})
        self._run.save(self._job.root)
        if self._server is not None:
            self._sent()

    def _end_thread(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _follow(self) -> None:
        """Upload metrics while the training runs."""
        wait = _EVERY
        while self._server is not None and not self._stop.wait(wait):
            try:
                self._run = upload(self._job.root, self._run, self._server)
                wait = _EVERY
            except Exception:  # noqa: BLE001 - a fault of the server is reported at the end, by `close`
                wait = _PATIENCE

    def _sent(self, *, reopen: bool = False) -> bool:
        """Upload; a server that does not answer is only a warning."""
        assert self._server is not None
        try:
            self._run = upload(self._job.root, self._run, self._server, reopen=reopen)
        except UnreachableError as error:
            warn(f"{error}; {_LATER}", help="mlspec run track")
            return False
        return True


def start(job: Job, settings: TrackerOptions, identity: str) -> MlflowTracker:
    """Start, or resume, the run `identity`. Raises StageError where the server refuses the login."""
    assert isinstance(settings, MlflowOptions)
    tracker = tracker_of(settings)
    where = server(job, tracker, settings) if settings.online else None
    run = new_run(job, settings, identity, where.shown if where is not None else "")
    file = run.folder(job.root) / FILE
    known = TrackedRun.parse_json(file.read_text(encoding="utf-8")) if file.is_file() else None
    if known is not None:
        run = known.model_copy(update={"ended": None, "status": "RUNNING", "complete": False, "server": run.server})
    end_killed(job.root, where, tracker, identity)
    return MlflowTracker(job, run, where, resumed=known is not None)


def end_killed(root: Path, where: MlflowServer | None, tracker: str, resumed: str = "") -> None:
    """Mark the runs whose process was killed as killed, apart from the one that is resumed. One that is resumed later
    becomes a running one again."""
    for run in tracked_runs(root):
        if run.tracker == tracker and run.ended is None and run.id != resumed:
            journal = RunJournal(root, run)
            if journal.hold():
                last = max((metric.time for metric in journal.metrics(0)), default=run.started)
                ended = saved(root, run, {"ended": last, "status": "KILLED", "complete": False})
                with contextlib.suppress(UnreachableError):  # `mlspec run track` uploads it later
                    if where is not None:
                        upload(root, ended, where)
            journal.close()


def tracker_of(settings: MlflowOptions) -> str:
    """The key of the options in the section `track`."""
    return "dagshub" if isinstance(settings, Dagshub) else "mlflow"


def new_run(job: Job, settings: MlflowOptions, identity: str, uri: str) -> TrackedRun:
    """A run that starts now, with the settings of the spec and the lineage as tags."""
    name = job.need(ProjectInfo).name
    return TrackedRun(
        id=identity,
        tracker=tracker_of(settings),
        server=uri,
        experiment=settings.experiment or name,
        name=f"{name}-{identity}",
        started=_now(),
        params=dict(_flat({key: job.config[key] for key in _SECTIONS if key in job.config})),
        tags={ID_TAG: identity, "mlflow.source.name": name, **_lineage_tags(job)},
    )


def _lineage_tags(job: Job) -> dict[str, str]:
    known = lineage(job)
    commit, changed = known.pop("commit"), known.pop("changed")
    tags = {f"mlspec.{name.replace('/', '.')}": str(value) for name, value in known.items() if value}
    tags |= {"mlspec.version": mlspec.__version__, "mlspec.spec": config_digest(job.config)}
    if commit:
        revision = f"{commit}-dirty" if changed else str(commit)
        tags |= {"mlflow.source.git.commit": str(commit), "mlspec.commit": revision}
    return tags


def _flat(value: object, above: str = "") -> list[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        return [pair for key, item in value.items() for pair in _flat(item, f"{above}.{key}" if above else str(key))]
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return [(above, shown)] if value is not None else []


def _confusion(results: ValidationResults) -> Confusion:
    labels, pairs = results.labels, zip(results.actual, results.predicted, strict=True)
    return Confusion(labels, Counter((labels[actual], labels[predicted]) for actual, predicted in pairs))


def _tables(
    results: ValidationResults, confusion: Confusion
) -> dict[str, tuple[Sequence[str], Sequence[Sequence[object]]]]:
    """File name to columns and rows, as MLflow shows tables."""
    labels, counts = confusion.labels, confusion.counts
    matrix = [[actual, *(counts.get((actual, predicted), 0) for predicted in labels)] for actual in labels]
    columns = ["actual", *(f"predicted {label}" for label in labels)]
    return {"valid-confusion.json": (columns, matrix), "valid-wrong.json": (results.columns, results.wrong)}


def _now() -> int:
    return int(time.time() * 1000)
