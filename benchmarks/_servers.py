"""The servers that are compared: how each is installed, started, asked and ended."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlspec.runtime.cores import cores

HERE = Path(__file__).resolve().parent
CORES = cores()
PACKAGES = {
    "fastapi": ["fastapi", "uvicorn[standard]"], "litserve": ["litserve"], "bentoml": ["bentoml"],
    "mlserver": ["mlserver", "uvloop<0.22"],  # its workers fail on a newer loop
}  # fmt: skip
MANY = {"THREADS": "1", "BATCH": "16", "WORKERS": str(CORES)}
ONE = {"THREADS": str(CORES), "BATCH": "1", "WORKERS": "1"}


@dataclass(frozen=True)
class Contender:
    """A server: how it starts, where it is asked, how a row becomes a body."""

    name: str
    package: str | None
    command: Callable[[str, int, Path], list[str]]
    path: str = "/predict"
    body: Callable[[dict[str, Any]], Any] = lambda row: row
    settings: dict[str, str] = field(default_factory=dict)


def tensors(row: dict[str, Any]) -> Any:
    kind = {str: "BYTES", float: "FP64"}
    return {"inputs": [
        {"name": n, "shape": [1, 1], "datatype": kind[type(v)], "data": [v]} for n, v in row.items()
    ]}  # fmt: skip


def mlserver(batch: int, workers: int) -> Callable[[str, int, Path], list[str]]:
    def command(python: str, port: int, folder: Path) -> list[str]:
        settings = {"host": "127.0.0.1", "http_port": port, "grpc_port": free_port(), "metrics_port": free_port(),
                    "parallel_workers": workers, "debug": False}  # fmt: skip
        model = {"name": "model", "implementation": "with_mlserver.Model"}
        model |= {"max_batch_size": batch, "max_batch_time": 0.005} if batch else {}
        (folder / "settings.json").write_text(json.dumps(settings))
        (folder / "model-settings.json").write_text(json.dumps(model))
        return [str(Path(python).parent / "mlserver"), "start", str(folder)]

    return command


def contenders(bundle: Path) -> list[Contender]:
    def script(name: str) -> Callable[[str, int, Path], list[str]]:
        return lambda python, _port, _folder: [python, str(HERE / "_peers" / f"with_{name}.py")]

    def bento(python: str, port: int, _folder: Path) -> list[str]:
        serve = [str(Path(python).parent / "bentoml"), "serve", "with_bentoml:Model", "--host", "127.0.0.1"]
        return [*serve, "--port", str(port), "--working-dir", str(HERE / "_peers")]

    def ours(python: str, port: int, _folder: Path) -> list[str]:
        return [python, "-m", "mlspec.runtime.http", "--bundle", str(bundle), "--port", str(port)]

    rows: dict[str, Any] = {"body": lambda row: {"rows": [row]}}
    return [
        Contender("mlspec", None, ours),
        Contender("FastAPI", "fastapi", script("fastapi"), settings=ONE),
        Contender("FastAPI, 1 thread", "fastapi", script("fastapi"), settings=MANY),
        Contender("LitServe", "litserve", script("litserve"), settings=ONE),
        Contender("LitServe, batches", "litserve", script("litserve"), settings=MANY),
        Contender("BentoML", "bentoml", bento, settings={**MANY, "THREADS": str(CORES), "WORKERS": "1"}, **rows),
        Contender("BentoML, workers", "bentoml", bento, settings=MANY, **rows),
        Contender("MLServer", "mlserver", mlserver(0, 0), "/v2/models/model/infer", tensors, ONE),
        Contender("MLServer, batches", "mlserver", mlserver(16, CORES), "/v2/models/model/infer", tensors, MANY),
    ]


def environment(cache: Path, package: str | None) -> str:
    """The Python that has the peer, installed if it is not there yet."""
    if package is None:
        return sys.executable
    folder = cache / package
    if not (folder / "done").exists():
        print(f"installing {package}", flush=True)
        versions = [f"{name}=={__import__(name).__version__}" for name in ("numpy", "onnxruntime", "tokenizers")]
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin/pip"), "install", "--quiet", *PACKAGES[package], *versions], check=True)
        (folder / "done").touch()
    return str(folder / "bin/python")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def cpu(session: int) -> float:
    """Seconds of processor that all processes of a session have used so far."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            values = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        if int(values[3]) == session:
            ticks += int(values[11]) + int(values[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def started(contender: Contender, bundle: Path, cache: Path, row: dict[str, Any]) -> Iterator[tuple[int, int]]:
    """Port and session of the server, once it answers; ended with all its children."""
    port = free_port()
    told = {"BUNDLE": str(bundle), "PORT": str(port), "PYTHONPATH": f"{HERE.parent}:{HERE / '_peers'}",
            "BENTOML_DO_NOT_TRACK": "True", **contender.settings}  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, Path(folder, "log").open("w") as log:
        command = contender.command(environment(cache, contender.package), port, Path(folder))
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | told, stdout=log, stderr=log, start_new_session=True
        )
        try:
            wait(contender, port, row, process, Path(folder, "log"))
            yield port, process.pid
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait(contender: Contender, port: int, row: dict[str, Any], process: subprocess.Popen[bytes], log: Path) -> None:
    body, deadline, reason = json.dumps(contender.body(row)).encode(), time.monotonic() + 90, ""
    address = f"http://127.0.0.1:{port}{contender.path}"
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(
                urllib.request.Request(address, body, {"Content-Type": "application/json"}), timeout=5
            )
            return
        except OSError as error:
            reason = str(error)
            time.sleep(0.2)
    raise SystemExit(f"{contender.name} does not answer: {reason}\n{log.read_text()[-3000:]}")
