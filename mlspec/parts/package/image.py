"""The stage `image`: build the serving image, hold it to its size, start it locked down, ask it for a prediction."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from mlspec.errors import StageError
from mlspec.job import Job, write_json
from mlspec.parts.package.container import ask, run, started
from mlspec.parts.package.part import image_name
from mlspec.parts.package.spec import Package
from mlspec.runtime import signature
from mlspec.spec.project import ProjectInfo
from mlspec.spec.types import size_bytes


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
