"""A run in `.mlspec/runs/` to the MLflow server: what the server lacks, in the order that MLflow expects.

Repeating an upload changes nothing: the run on the server is found by mlspec's id, and sent lines are counted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import JsonValue

from mlspec.records.tracked_run import TrackedRun
from mlspec.tracking.mlflow_journal import RunJournal
from mlspec.tracking.mlflow_server import MlflowServer

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

T = TypeVar("T")

ID_TAG: Final = "mlspec.run"
CHECKPOINT_TAG: Final = "mlspec.checkpoint"
_METRICS, _PARAMS, _TAGS = 1000, 100, 100
"""The limits of a request of MLflow's log-batch."""
_LONGEST: Final = 500
"""Characters of a parameter that every server since MLflow 1.28 accepts."""
_LONGEST_TAG: Final = 5000


def upload(root: Path, run: TrackedRun, server: MlflowServer, *, reopen: bool = False) -> TrackedRun:
    """Send what the server lacks of a training; `reopen` a run that had ended. Returns the run as it is then.

    Raises UnreachableError, StageError.
    """
    journal = RunJournal(root, run)
    with server.client() as client:
        run = run if run.run else _created(root, run.model_copy(update={"server": server.shown}), client)
        at = str(run.run)
        if reopen:
            client.update_run(at, status="RUNNING")
        for metrics in _chunks([*journal.metrics(run.sent)], _METRICS):
            from mlflow.entities import Metric

            batch = [Metric(_key(m.name), m.value, m.time, m.step) for m in metrics if m.name]
            client.log_batch(at, metrics=batch)
            run = saved(root, run, {"sent": run.sent + len(metrics)})
        if run.ended is not None and not run.complete:
            if journal.files.is_dir():
                client.log_artifacts(at, str(journal.files))
            tag(client, at, run.tags)
            client.set_terminated(at, run.status, run.ended)
            run = saved(root, run, {"complete": True})
    return run


def tag(client: MlflowClient, run: str, tags: Mapping[str, str]) -> None:
    """Set tags of a run on the server."""
    from mlflow.entities import RunTag

    for some in _chunks([RunTag(_key(name), value[:_LONGEST_TAG]) for name, value in tags.items()], _TAGS):
        client.log_batch(run, tags=some)


def run_with_tag(client: MlflowClient, experiment: str, name: str, value: str) -> Run | None:
    """The newest run of the experiment with that tag; None without one."""
    known = client.get_experiment_by_name(experiment)
    if known is None:
        return None
    text = f"tags.`{name}` = '{value}'"
    return next(iter(client.search_runs([known.experiment_id], text, max_results=1)), None)


def page(server: str, run: Run) -> str:
    """The address of a run in the server's pages."""
    return f"{server}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"


def _created(root: Path, run: TrackedRun, client: MlflowClient) -> TrackedRun:
    """The run, after it was created on the server."""
    known = run_with_tag(client, run.experiment, ID_TAG, run.id)  # of an upload that was killed
    if known is None:
        tags = {name: value[:_LONGEST_TAG] for name, value in run.tags.items()}
        known = client.create_run(_experiment(client, run.experiment), run.started, tags, run.name)
        from mlflow.entities import Param

        params = [Param(_key(name), value[:_LONGEST]) for name, value in run.params.items()]
        for some in _chunks(params, _PARAMS):
            client.log_batch(known.info.run_id, params=some)
    elif run.ended is None:
        client.update_run(known.info.run_id, status="RUNNING")
    return saved(root, run, {"run": known.info.run_id, "url": page(run.server, known)})


def _experiment(client: MlflowClient, name: str) -> str:
    known = client.get_experiment_by_name(name)
    return str(known.experiment_id if known is not None else client.create_experiment(name))


def _key(name: str) -> str:
    """The name with the characters that MLflow accepts in keys."""
    return re.sub(r"[^\w\-. :/]", "_", name)[:250]


def saved(root: Path, run: TrackedRun, changed: dict[str, JsonValue]) -> TrackedRun:
    """The run with those fields changed, after it was saved."""
    run = run.model_copy(update=changed)
    run.save(root)
    return run


def _chunks(values: list[T], size: int) -> list[list[T]]:
    return [values[at : at + size] for at in range(0, len(values), size)]
