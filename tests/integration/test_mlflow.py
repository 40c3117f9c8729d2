"""A training, an evaluation and a bundle on MLflow's own server, which listens below the path of a DagsHub repository."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mlspec.errors import StageError
from mlspec.records.bundle_provenance import read_provenance
from mlspec.records.tracked_run import TrackedRun, tracked_runs
from mlspec.report.collect import collect
from mlspec.runtime import Predictor
from tests.conftest import missing
from tests.integration.orchestrated import answers
from tests.pages import free_port
from tests.parts.projects import PROGRAMS, Applied
from tests.parts.train.stage import run as train_until
from tests.warm_python import WarmPython

pytestmark = pytest.mark.slow
PATH = "/ada/mood.mlflow"
ROWS = [{"sentence": "the food was good"}, {"sentence": "bad and sad"}, {"sentence": ""}]
LOAD = """
import json, sys, mlflow, pandas
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(sys.argv[2])
answers = model.predict(pandas.DataFrame(json.loads(sys.argv[3])))
graph = mlflow.onnx.load_model(sys.argv[2])
print("RESULT", json.dumps({
    "inputs": model.metadata.get_input_schema().to_dict(), "outputs": model.metadata.get_output_schema().to_dict(),
    "answers": answers.to_dict("records"), "graph": [each.name for each in graph.graph.input],
}))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the server, without the path of the repository."""
    environment = Path(os.environ.get("MLSPEC_MLFLOW") or "mlflow-environment")
    if not (environment / "bin" / "mlflow").is_file():
        missing("the server of MLflow, in the environment that MLSPEC_MLFLOW names")
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    options = ["--host", "127.0.0.1", "--port", port, "--workers", "1", "--static-prefix", PATH]
    stores = ["--backend-store-uri", f"sqlite:///{folder}/store.db", "--artifacts-destination", str(folder / "files")]
    command = [str(environment / "bin" / "mlflow"), "server", *options, *stores]
    quiet = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONPATH": ""}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=quiet, stdout=log, stderr=log, start_new_session=True)
    try:
        answers(f"http://127.0.0.1:{port}{PATH}/health", process, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def client(server: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=server + PATH)


def spec(uri: str, more: str = "") -> str:
    return f"evaluate: {{}}\nexport: {{}}\ntrack: {{mlflow: {{uri: '{uri}'{more}}}}}\n"


def only(project: Applied) -> TrackedRun:
    (run,) = tracked_runs(project.root)
    return run


def test_a_run_has_everything_of_the_model_and_the_model_predicts_the_same(
    trained: Callable[..., Applied], server: str, chromium: Any
) -> None:
    project = trained("text", spec(server + PATH, ", register: mood, experiment: moods"))
    project.run("train", "evaluate", "export", "track")
    known = only(project)
    result = client(server).get_run(known.run)
    assert result.info.status == "FINISHED"
    assert result.data.params["train.learning_rate"] == "0.01"
    assert result.data.params["model.type"] == "text-classifier"
    losses = client(server).get_metric_history(known.run, "valid/loss")
    assert len(losses) == 8
    assert [m.step for m in losses] == sorted({m.step for m in losses})
    evaluated = json.loads((project.artifacts / "metrics" / "evaluate.json").read_text())
    assert result.data.metrics["test/accuracy"] == evaluated["metrics"]["accuracy"]
    lineage = json.loads((project.artifacts / "bundle" / "lineage.json").read_text())
    tags = result.data.tags
    assert tags["mlspec.checkpoint"] == lineage["checkpoint"]
    assert tags["mlspec.data.train.parquet"] == lineage["data"]["train.parquet"]
    assert tags["mlspec.model_version"] == read_provenance(project.root, project.artifacts).version
    assert {"mlspec.version", "mlspec.spec", "mlspec.bundle"} <= set(tags)
    page = f"{server}{PATH}/#/experiments/{result.info.experiment_id}/runs/{known.run}"
    assert read_provenance(project.root, project.artifacts).run == page
    results = collect(project.artifacts)
    assert ([run.url for run in results.runs], results.training and results.training.runs) == ([page], {"mlflow": page})
    _loads_and_predicts_the_same(project, server, f"runs:/{known.run}/model")
    _loads_and_predicts_the_same(project, server, "models:/mood/1")
    _has_a_confusion_matrix(project, server, str(known.run))
    _shows_confusion_matrices_as_images(page, chromium)
    project.run("track")
    assert [v.version for v in client(server).search_model_versions("name = 'mood'")] in (["1"], [1])
    (project.root / ".mlspec" / "runs").rename(project.root / "runs-of-another-machine")
    assert read_provenance(project.root, project.artifacts).run == page, "as where DVC restored the model"


def _loads_and_predicts_the_same(project: Applied, server: str, model: str) -> None:
    """In an environment without mlspec and torch."""
    python = Path(os.environ["MLSPEC_MLFLOW"]) / "bin" / "python"
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(python), "-c", LOAD, server + PATH, model, json.dumps(ROWS)]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", env=clean)
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout.rpartition("RESULT ")[2])
    assert [(each["name"], each["type"]) for each in loaded["inputs"]] == [("sentence", "string")]
    assert [each["name"] for each in loaded["outputs"]] == ["label", "score", "probability sad", "probability glad"]
    for ours, theirs in zip(Predictor(project.artifacts / "bundle").predict(ROWS), loaded["answers"], strict=True):
        assert theirs["label"] == ours["label"]  # type: ignore[typeddict-item]
        assert theirs["score"] == pytest.approx(ours["score"], abs=1e-5)  # type: ignore[typeddict-item]
    assert "input_ids" in loaded["graph"]


def _has_a_confusion_matrix(project: Applied, server: str, run: str) -> None:
    from mlflow.artifacts import download_artifacts

    place = download_artifacts(run_id=run, artifact_path="valid-confusion.json", tracking_uri=server + PATH)
    table = json.loads(Path(place).read_text())
    assert table["columns"] == ["actual", "predicted sad", "predicted glad"]
    rows = json.loads((project.artifacts / "data" / "schema.json").read_text())
    assert [row[0] for row in table["data"]] == ["sad", "glad"]
    assert sum(sum(row[1:]) for row in table["data"]) == 48, rows


def _shows_confusion_matrices_as_images(page: str, chromium: Any) -> None:
    """In MLflow's own pages, drawn by a browser."""
    for artifact in ("valid-confusion.svg", "evaluation/confusion.svg"):
        tab = chromium.new_page()
        tab.goto(f"{page}/artifacts/{artifact}")
        image = tab.locator("img[src^='blob:']").first
        image.wait_for()
        image.evaluate("image => image.decode()")
        assert image.evaluate("image => image.naturalWidth") > 150
        assert "glad predicted as glad" in image.evaluate("async image => (await fetch(image.src)).text()")
        tab.close()


def test_a_killed_training_resumes_its_run(trained: Callable[..., Applied], server: str) -> None:
    project = trained("numbers", spec(server + PATH))
    project.spec("max_epochs: 12", "max_epochs: 12, checkpoint: {every_steps: 5}, log_every: 1")
    assert train_until(project, step=40).code == -signal.SIGKILL
    killed = only(project)
    assert killed.ended is None
    assert client(server).get_run(killed.run).info.status == "RUNNING"
    (project.artifacts / "model" / "best.ckpt").unlink()  # of the training before, whose run `track` would create
    project.run("track")
    assert client(server).get_run(killed.run).info.status == "KILLED", "until it is resumed"
    assert train_until(project).code == 0
    resumed = only(project)
    assert (resumed.id, resumed.run, resumed.complete) == (killed.id, killed.run, True)
    steps = [m.step for m in client(server).get_metric_history(killed.run, "train/loss")]
    assert steps == sorted(set(steps))
    assert max(steps) > 40 > min(steps)
    assert client(server).get_run(killed.run).info.status == "FINISHED"


def test_two_processes_and_a_sweep_have_a_run_for_each_training(
    trained: Callable[..., Applied], server: str, warm: WarmPython
) -> None:
    project = trained("numbers", spec(server + PATH, ", experiment: several"))
    project.spec("max_epochs: 12", "max_epochs: 2, devices: 2, accelerator: cpu")
    assert train_until(project).code == 0
    shared = only(project)
    losses = client(server).get_metric_history(shared.run, "valid/loss")
    assert [m.step for m in losses] == sorted({m.step for m in losses})
    assert len(losses) == 2, "only the first process reports"

    project.spec("max_epochs: 2, devices: 2, accelerator: cpu", "max_epochs: 1")
    for words in ("mlspec build", "mlspec run train -m train.learning_rate=0.01,0.02"):
        environ = warm.variables(os.environ)
        done = subprocess.run(words.split(), cwd=project.root, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    result = client(server).search_runs([client(server).get_experiment_by_name("several").experiment_id])
    assert sorted((run.data.params["train.learning_rate"], run.info.status) for run in result) == [
        ("0.01", "FINISHED"),
        ("0.02", "FINISHED"),
        ("0.02", "FINISHED"),
    ]


def test_a_server_that_is_down_loses_no_training(
    trained: Callable[..., Applied], server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    project = trained("numbers", spec(f"http://127.0.0.1:{free_port()}"))
    project.run("train")
    output = capsys.readouterr().out
    assert "does not answer" in output
    assert "mlspec run track" in output
    assert only(project).url is None
    with pytest.raises(StageError, match="does not answer") as caught:
        project.run("track")
    assert "mlspec run track" in caught.value.help
    project.spec(project.root.joinpath("mlproject.yaml").read_text().split("uri: '")[1].split("'")[0], server + PATH)
    project.run("track")
    run = only(project)
    assert run.complete
    assert len(client(server).get_metric_history(run.run, "valid/loss")) == 12


def test_an_offline_training_connects_to_nothing_and_is_uploaded_by_command(
    trained: Callable[..., Applied], server: str
) -> None:
    project = trained("numbers", spec(server + PATH, ", mode: offline, experiment: offline"))
    project.run("train")
    assert only(project).url is None
    assert client(server).get_experiment_by_name("offline") is None
    assert "track" not in [stage.name for stage in project.build().plan.stages]
    project.run("track")
    assert client(server).get_run(only(project).run).info.status == "FINISHED"


def test_a_model_that_was_trained_without_the_tracker_gets_a_run_from_its_records(
    trained: Callable[..., Applied], server: str
) -> None:
    project = trained("numbers", spec(server + PATH, ", experiment: records"))
    project.run("track")
    run = only(project)
    assert len(client(server).get_metric_history(run.run, "valid/loss")) == 12
    for folder in (project.root / ".mlspec" / "runs").iterdir():
        folder.rename(project.root / f"other-{folder.name}")
    project.run("track")
    assert only(project).run == run.run, "found by the digest of its checkpoint, as on another machine"


def test_a_repository_on_dagshub_is_an_mlflow_server(
    trained: Callable[..., Applied], server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSHUB_USER_TOKEN", "t0ken")
    project = trained("numbers", "track: {dagshub: {repo: ada/mood}}\n")
    job = project.job()
    job = dataclasses.replace(job, context=dataclasses.replace(job.context, dagshub=server))
    for stage in ("train", "track"):
        module, _, name = PROGRAMS[stage].partition(":")
        getattr(importlib.import_module(module), name)(job)
    run = only(project)
    assert run.url is not None
    assert run.url.startswith(f"{server}{PATH}/#/experiments/")
    assert "t0ken" not in "".join(file.read_text() for file in project.root.rglob(".mlspec/runs/*/*.json"))


class Refusing(BaseHTTPRequestHandler):
    """Not MLflow: refuses every login, and remembers it."""

    seen: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.seen.append(self.headers.get("Authorization", ""))
        self.send_response(401)
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_refused_login_stops_before_the_training(
    trained: Callable[..., Applied], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "s3cret")
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        uri = f"http://127.0.0.1:{listener.server_address[1]}"
        project = trained("numbers", f"track: {{mlflow: {{uri: '{uri}', token: {{env: TOKEN}}}}}}\n")
        with pytest.raises(StageError, match="rejects the credentials") as caught:
            project.run("train")
        listener.shutdown()
    assert Refusing.seen[0] == "Bearer s3cret"
    assert "s3cret" not in caught.value.message + caught.value.help


def test_a_missing_variable_is_named(trained: Callable[..., Applied], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSHUB_USER_TOKEN", raising=False)
    project = trained("numbers", "track: {dagshub: {repo: ada/mood}}\n")
    with pytest.raises(StageError, match="DAGSHUB_USER_TOKEN"):
        project.run("train")
