"""The stage `image`: build the serving image, hold it to its size, start it locked down, ask it for a prediction."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from mlspec.errors import StageError
from mlspec.job import Job, write_json
from mlspec.parts.package.part import image_name
from mlspec.parts.package.spec import Package
from mlspec.runtime import signature
from mlspec.spec.project import ProjectInfo
from mlspec.spec.types import size_bytes

_START_SECONDS: Final = 60
_PIXELS: Final = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAEElEQVR4nGNsYIAAJgaKGAAmCACQXTClHgAAAABJRU5ErkJggg=="
_SAMPLE: Final[Mapping[str, object]] = {"text": "a", "number": 0, "category": None, "image": _PIXELS}
"""A value of nothing in particular for each kind of input; the image is a grey square."""
_LOCKED: Final = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")  # noqa: S108


def main(job: Job) -> None:
    """Build, measure, try; leave what came of it in `artifacts/image.json`."""
    settings, tag = job.need(Package).docker, image_name(job.need(ProjectInfo).name)
    docker = client()
    build(docker, job.root, tag, settings.platform)
    found = inspect(docker, tag)
    if found["Size"] > size_bytes(settings.max_size):
        raise StageError(
            f"the image has {found['Size'] / 1e6:.0f} MB, and package.docker.max_size is {settings.max_size}",
            help="quantize the model (export.onnx.quantize), choose a smaller base, or raise the limit",
        )
    with started(docker, tag, settings.port) as address:
        answer = ask(address, signature.read(job.inputs / "bundle").inputs)
    sys.stdout.write(f"{tag}: {found['Size'] / 1e6:.0f} MB, answers {answer}\n")
    record = {
        "image": tag,
        "id": found["Id"],
        "platform": settings.platform,
        "size_bytes": found["Size"],
        "max_size_bytes": size_bytes(settings.max_size),
    }
    write_json(job.outputs / "image.json", record)


def client() -> str:
    """A Docker client with BuildKit. A newer one needs its buildx plugin; one before 23 brings BuildKit itself."""
    folders = dict.fromkeys([*os.environ.get("PATH", "").split(os.pathsep), "/usr/bin", "/usr/local/bin"])
    found = [path for folder in folders if (path := shutil.which("docker", path=folder))]
    if not found:
        raise StageError(
            "there is no docker on this machine", help="install Docker: https://docs.docker.com/get-docker"
        )
    for docker in found:
        if run([docker, "buildx", "version"]).returncode == 0:
            return docker
    for docker in found:
        version = run([docker, "version", "--format", "{{.Client.Version}}"]).stdout
        if version.partition(".")[0].isdigit() and int(version.partition(".")[0]) < 23:
            return docker
    raise StageError(f"{found[0]} has no BuildKit", help="install Docker's buildx plugin (docker-buildx)")


def build(docker: str, root: Path, tag: str, platform: str) -> None:
    """`docker build`, its output to this stage's log."""
    command = [docker, "build", "--progress", "plain", "--platform", platform, "--tag", tag, "."]
    done = subprocess.run(command, cwd=root, env=os.environ | {"DOCKER_BUILDKIT": "1"}, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise StageError("docker build failed", help="the log above has its reason; docker build alone shows the same")


def inspect(docker: str, tag: str) -> dict[str, Any]:
    """What Docker knows of the image: `Id`, `Size` in bytes, `Config`."""
    done = run([docker, "image", "inspect", tag])
    if done.returncode:
        raise StageError(f"docker does not know the image {tag}", help=done.stderr.strip())
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found[0]


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
