"""An image, started the way production would, and asked over HTTP."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from mlspec.errors import StageError

_START_SECONDS: Final = 60
_PIXELS: Final = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAEElEQVR4nGNsYIAAJgaKGAAmCACQXTClHgAAAABJRU5ErkJggg=="
_SAMPLE: Final[Mapping[str, object]] = {"text": "a", "number": 0, "category": None, "image": _PIXELS}
"""A value of nothing in particular for each kind of input; the image is a grey square."""
_LOCKED: Final = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")  # noqa: S108


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """A finished command with what it wrote."""
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)


@contextmanager
def started(docker: str, tag: str, port: int) -> Iterator[int]:
    """The image running with a read-only root and no capabilities. Gives its port on 127.0.0.1, once it is ready."""
    done = run([docker, "run", "--detach", *_LOCKED, "--publish", f"127.0.0.1::{port}", tag])
    if done.returncode:
        raise StageError("the image does not start", help=done.stderr.strip())
    container = done.stdout.strip()
    try:
        published = run([docker, "port", container, str(port)]).stdout.strip().rpartition(":")[2]
        _wait(docker, container, int(published or 0))
        yield int(published)
    finally:
        run([docker, "rm", "--force", container])


def _wait(docker: str, container: str, port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            if call(port, "GET", "/v2/health/ready")[0] == 200:
                return
        except (OSError, http.client.HTTPException):
            if run([docker, "inspect", "--format", "{{.State.Running}}", container]).stdout.strip() != "true":
                break
        time.sleep(0.2)
    logs = run([docker, "logs", "--tail", "20", container])
    raise StageError("the image started and did not become ready", help=(logs.stdout + logs.stderr).strip())


def ask(port: int, inputs: Iterable[Mapping[str, Any]]) -> Any:
    """One prediction for a row of nothing in particular: it shows that the graph runs in there."""
    row = {entry["name"]: _SAMPLE[entry["type"]] for entry in inputs}
    status, answer = call(port, "POST", "/predict", json.dumps(row).encode())
    if status != 200:
        raise StageError(f"the image answers {status} to {json.dumps(row)}", help=str(answer.get("error")))
    return answer


def call(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
    """Status and JSON of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()
