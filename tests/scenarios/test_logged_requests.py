"""Every front of the runtime logs its predictions: the HTTP server, a Lambda function, a Python program."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from mlspec.runtime.aws_lambda import make_handler
from mlspec.runtime.logged_model import LoggedModel
from mlspec.runtime.rows import RefusedError
from mlspec.runtime.service import PendingRequest, Request
from tests.conftest import CHECKOUT
from tests.runtime import bundles
from tests.runtime.callers import ask, until
from tests.runtime.elastic_proxy import ElasticProxy, cluster

ROW = {"age": 20.0, "city": "Bonn"}
BODY = json.dumps(ROW).encode()
POLICY: dict[str, Any] = {
    "version": 1,
    "project": "toy",
    "log": {"folder": "log-folder", "sample": 1, "flush_seconds": 0.1, "low_confidence": 0.5, "columns": {}},
}

MARGIN = 10.0
"""Seconds in which a server on a busy machine writes what is due."""
ELASTIC = {"url": {"env": "ES_URL"}, "api_key": {"env": "ES_KEY"}, "stream": "p-toy", "ids": True, "spool_bytes": 1000}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle with the policy beside it."""
    (tmp_path / "monitoring.json").write_text(json.dumps(POLICY))
    (tmp_path / "bundle").mkdir()
    return bundles.tabular(tmp_path / "bundle")


def lines(folder: Path) -> list[dict[str, Any]]:
    files = sorted((folder / "log").rglob("*.jsonl*"))
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


@contextmanager
def serving(bundle: Path, **environment: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The server of the image, as a process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mlspec.runtime.http", "--bundle", str(bundle), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "MODEL_VERSION": "1", **environment},
    )
    assert process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline())["port"]
    finally:
        process.kill()
        process.communicate()


def test_the_server_logs_requests_to_prediction_routes_alone(bundle: Path, tmp_path: Path) -> None:
    with serving(bundle) as (process, port):
        assert ask(port, BODY, **{"X-Request-Id": "one"})[0] == 200
        assert ask(port, json.dumps([ROW, ROW]).encode())[0] == 200
        tensors = {"inputs": [{"name": "age", "shape": [1], "datatype": "FP64", "data": [20]},
                              {"name": "city", "shape": [1], "datatype": "BYTES", "data": ["Bonn"]}]}  # fmt: skip
        assert ask(port, json.dumps(tensors).encode(), "/v2/models/toy/versions/1/infer")[0] == 200
        assert ask(port, b"{")[0] == 400
        assert ask(port, b"x" * 9_000_000)[0] == 413
        assert ask(port, BODY, "/nowhere")[0] == 404
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/v2/health/live")
        assert connection.getresponse().read()
        until(lambda: len(lines(tmp_path / "log-folder")) == 6)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        assert 'mlspec_prediction_log_records_total{model="toy",version="1",sink="file"} 6' in text
        assert 'mlspec_request_errors_total{model="toy",version="1",route="/predict",code="bad-json"} 1' in text
        process.terminate()
        assert process.wait(20) == 0
    records = lines(tmp_path / "log-folder")
    assert [(r["route"], r["status"], r["row"]) for r in records] == [
        ("/predict", 200, 0), ("/predict", 200, 0), ("/predict", 200, 1), ("/v2/models/toy/infer", 200, 0),
        ("/predict", 400, None), ("/predict", 413, None),
    ]  # fmt: skip
    first = records[0]
    assert (first["request_id"], first["front"], first["inputs"]) == ("one", "http", ROW)
    assert first["prediction"]["label"] in ("no", "maybe", "yes")
    assert not list(tmp_path.rglob("*.open"))


def test_a_killed_server_loses_only_what_was_not_flushed(bundle: Path, tmp_path: Path) -> None:
    """It is killed a flush interval and a margin for a busy machine after the answer, or once all is written."""
    folder = tmp_path / "elsewhere"
    with serving(bundle, MLSPEC_LOG_FOLDER=str(folder)) as (process, port):
        assert ask(port, json.dumps([ROW] * 50).encode())[0] == 200
        killed = time.monotonic() + POLICY["log"]["flush_seconds"] + MARGIN
        until(lambda: len(lines(folder)) == 50 or time.monotonic() > killed)
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    assert len(lines(folder)) == 50
    (file,) = (folder / "log").rglob("*.jsonl*")
    assert file.name.endswith(".jsonl.open")


def test_a_folder_that_cannot_be_written_sends_the_log_to_stdout(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "log-folder").write_text("a file")
    with serving(bundle) as (process, port):
        for _ in range(3):
            assert ask(port, BODY)[0] == 200
        process.terminate()
        output, errors = process.communicate(timeout=20)
    printed = [json.loads(line) for line in output.splitlines() if line.startswith(b'{"mlspec":"prediction",')]
    assert [record["inputs"] for record in printed] == [ROW] * 3
    assert errors.decode().count("prediction log: cannot write to") == 1


def test_a_client_that_leaves_is_a_line(bundle: Path, tmp_path: Path) -> None:
    with LoggedModel(bundle, {"MODEL_VERSION": "1"}) as model:
        pending = model.service.begin(Request("POST", "/predict", {"x-request-id": "gone"}, BODY))
        assert isinstance(pending, PendingRequest)
        model.service.drop(pending)
    (record,) = lines(tmp_path / "log-folder")
    assert (record["request_id"], record["outcome"], record["status"]) == ("gone", "cancelled", 499)
    assert "inputs" not in record


@pytest.mark.parametrize("value", ["on", ""])
def test_an_unknown_destination_stops_the_start(bundle: Path, value: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mlspec.runtime.http", "--bundle", str(bundle), "--port", "0"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "MLSPEC_LOG": value},
    )
    assert (done.returncode, done.stderr.splitlines()) == (
        1,
        [f"python -m mlspec.runtime.http: MLSPEC_LOG is '{value}', which is not one of file, stdout, off"],
    )


def test_a_function_prints_its_predictions(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    handle = make_handler(bundle)

    class Context:
        aws_request_id = "c-1"

    handle([ROW, ROW], Context())
    handle({"age": "x", "city": None}, Context())
    handle({"httpMethod": "POST", "path": "/predict", "body": BODY.decode(), "headers": {}}, Context())
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {record["mlspec"] for record in records} == {"prediction"}
    assert [(r["front"], r["route"], r["status"], r["row"], r["request_id"]) for r in records] == [
        ("lambda", "invoke", 200, 0, "c-1"),
        ("lambda", "invoke", 200, 1, "c-1"),
        ("lambda", "invoke", 422, None, "c-1"),
        ("lambda", "/predict", 200, 0, "c-1"),
    ]


def test_a_program_logs_its_predictions(bundle: Path, tmp_path: Path) -> None:
    with LoggedModel(bundle, {"MODEL_VERSION": "1"}) as model:
        assert len(model.predict([ROW, {"age": None, "city": None}], request_id="p-1")) == 2
        with pytest.raises(RefusedError):
            model.predict([{"age": 1}])
    records = lines(tmp_path / "log-folder")
    assert [(r["front"], r["outcome"], r["row"]) for r in records] == [
        ("python", "success", 0), ("python", "success", 1), ("python", "refused", None),
    ]  # fmt: skip
    assert records[1]["inputs"] == {"age": None, "city": None}


def test_without_a_policy_nothing_is_written(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "monitoring.json").unlink()
    with LoggedModel(bundle, {"MODEL_VERSION": "1"}) as model:
        model.predict([{"age": None, "city": "Rome"}])
        model.close()
        text = model.service.log.counts.text() if model.service.log else ""
    assert 'mlspec_input_missing_total{model="toy",version="1",input="age"} 1' in text
    assert 'mlspec_input_unseen_total{model="toy",version="1",input="city"} 1' in text
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_the_server_stores_predictions_in_elasticsearch_too(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "monitoring.json").write_text(json.dumps(POLICY | {"elasticsearch": ELASTIC}))
    with cluster() as url, closing(ElasticProxy(url)) as proxy:
        with serving(bundle, ES_URL=proxy.url, ES_KEY="key") as (process, port):
            assert ask(port, json.dumps([ROW, ROW]).encode())[0] == 200
            process.terminate()
            assert process.wait(20) == 0
        records = {record["id"] for record in lines(tmp_path / "log-folder")}
        assert set(proxy.documents("p-toy")) == records
        assert len(records) == 2


def test_without_the_address_of_elasticsearch_the_server_says_so_and_logs_to_files(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "monitoring.json").write_text(json.dumps(POLICY | {"elasticsearch": ELASTIC}))
    with LoggedModel(bundle, {"MODEL_VERSION": "1"}) as model:
        model.predict([ROW])
    assert len(lines(tmp_path / "log-folder")) == 1
    assert "not set: ES_URL, ES_KEY" in capsys.readouterr().err
