"""The stage `image`: build the serving image, hold it to its size, start it locked down, and ask it for a prediction."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from mlspec.errors import StageError
from mlspec.job import Job, write_json
from mlspec.parts.package.part import image_name
from mlspec.parts.package.spec import DockerImage, Package
from mlspec.runtime.contract import Kind, read
from mlspec.spec.project import ProjectInfo
from mlspec.spec.types import size_bytes

_START_SECONDS: Final = 60
_PIXEL: Final = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAEElEQVR4nGNsYIAAJgaKGAAmCACQXTClHgAAAABJRU5ErkJggg=="
_SAMPLE: Final[Mapping[Kind, object]] = {"text": "a", "number": 0, "category": None, "image": _PIXEL}


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
    with started(docker, tag, settings) as address:
        answer = ask(address, read(job.inputs / "bundle").inputs)
    print(f"{tag}: {found['Size'] / 1e6:.0f} MB, answers {answer}")
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
        if _run([docker, "buildx", "version"]).returncode == 0:
            return docker
    for docker in found:
        version = _run([docker, "version", "--format", "{{.Client.Version}}"]).stdout
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
    done = _run([docker, "image", "inspect", tag])
    if done.returncode:
        raise StageError(f"docker does not know the image {tag}", help=done.stderr.strip())
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found[0]


@contextmanager
def started(docker: str, tag: str, settings: DockerImage) -> Iterator[str]:
    """The image running as it would in production: read-only, without capabilities. Gives its address."""
    hardened = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]  # noqa: S108
    command = [docker, "run", "--detach", *hardened, "--publish", f"127.0.0.1::{settings.port}", tag]
    done = _run(command)
    if done.returncode:
        raise StageError("the image does not start", help=done.stderr.strip())
    container = done.stdout.strip()
    try:
        port = _run([docker, "port", container, str(settings.port)]).stdout.strip().rpartition(":")[2]
        address = f"http://127.0.0.1:{port}"
        _wait(docker, container, address)
        yield address
    finally:
        _run([docker, "rm", "--force", container])


def _wait(docker: str, container: str, address: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/v2/health/ready", timeout=2):
                return
        except (OSError, urllib.error.URLError):
            running = _run([docker, "inspect", "--format", "{{.State.Running}}", container]).stdout.strip()
            if running != "true":
                break
            time.sleep(0.2)
    logs = _run([docker, "logs", "--tail", "20", container])
    raise StageError("the image started and did not become ready", help=(logs.stdout + logs.stderr).strip())


def ask(address: str, inputs: Mapping[str, Kind]) -> dict[str, Any]:
    """One prediction for a row of nothing in particular: it shows that the graph runs in there."""
    row = {name: _SAMPLE[kind] for name, kind in inputs.items()}
    request = urllib.request.Request(f"{address}/predict", json.dumps(row).encode(), method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except urllib.error.HTTPError as error:
        said = error.read().decode(errors="replace")
        raise StageError(f"the image answers {error.code} to {json.dumps(row)}", help=said) from None


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
