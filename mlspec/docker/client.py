"""The Docker client program: which one of this machine, what it runs with, and what it reports of images."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mlspec.docker.failures import failure, last_line
from mlspec.docker.image_details import ImageDetails, parse_details
from mlspec.errors import StageError

INSTALL: Final = "install Docker: https://docs.docker.com/get-docker"
_BUILDX_SINCE: Final = 23
"""From this version on the client builds with the plugin buildx; before, it has BuildKit of its own."""


@dataclass(frozen=True)
class Docker:
    """A client program. `environment` is what it runs in; None is the environment of this process."""

    path: str
    buildx: bool = False
    """Whether it has the plugin buildx."""
    environment: Mapping[str, str] | None = field(default=None, repr=False)
    pause: Callable[[float], None] = time.sleep

    def run(
        self, *arguments: str, input: str | None = None, timeout: float | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A finished command with its output; a failure is not raised. `input` is its standard input."""
        return subprocess.run(
            [self.path, *arguments],
            input=input if input is not None else "",
            capture_output=True,
            text=True,
            errors="replace",
            env=self.environment,
            timeout=timeout,
        )

    def output(self, *arguments: str) -> str:
        """The output of a command. Raises StageError where it fails."""
        done = self.run(*arguments)
        if done.returncode:
            raise failure(f"docker {arguments[0]} failed", done.stderr + done.stdout)
        return done.stdout.strip()

    def inspect(self, image: str, name: str = "") -> ImageDetails:
        """An image in the engine. Raises StageError without it; `name` is what messages call an image given by id."""
        details = self.find(image)
        if details is None:
            shown = f"{name} ({image})" if name else image
            raise StageError(f"image not found in Docker: {shown}", help="mlspec apply --force image")
        return details

    def find(self, image: str) -> ImageDetails | None:
        """An image in the engine; None where it is not there. Raises StageError where the engine does not answer."""
        done = self.run("image", "inspect", image)
        if done.returncode == 0:
            return parse_details(json.loads(done.stdout)[0])
        if "no such image" in done.stderr.lower():
            return None
        raise failure(f"cannot inspect the image {image}", done.stderr)

    def engine(self, timeout: float | None = None) -> tuple[str, str]:
        """The version of the engine, and why it does not answer; one of the two is empty."""
        code, output = self._probe("version", "--format", "{{.Server.Version}}", timeout=timeout)
        return (output, "") if code == 0 and output else ("", output or "Cannot connect to the Docker daemon")

    def buildkit(self, timeout: float | None = None) -> tuple[str, bool] | None:
        """What it builds with, as text, and whether that is buildx; None where it has no BuildKit."""
        code, output = self._probe("buildx", "version", timeout=timeout)
        if code == 0:
            return output.partition("\n")[0], True
        code, version = self._probe("version", "--format", "{{.Client.Version}}", timeout=timeout)
        major = version.partition(".")[0]
        return (f"client {version}", False) if major.isdigit() and 18 <= int(major) < _BUILDX_SINCE else None

    def _probe(self, *arguments: str, timeout: float | None) -> tuple[int, str]:
        """Exit code and output of a short command; 1 where it does not start or takes too long."""
        try:
            done = self.run(*arguments, timeout=timeout)
        except (OSError, subprocess.TimeoutExpired) as error:
            return 1, str(error)
        return done.returncode, done.stdout.strip() or done.stderr.strip()


def programs(*more: str) -> list[Docker]:
    """Every docker program on PATH and in the folders `more`, in that order."""
    folders = dict.fromkeys([*os.environ.get("PATH", "").split(os.pathsep), *more])
    return [Docker(path) for folder in folders if (path := shutil.which("docker", path=folder))]


def connected() -> Docker:
    """The first client that the engine answers to; others may be too new for it. Raises StageError without one."""
    reason = ""
    for docker in _installed():
        version, reason = docker.engine()
        if version:
            return docker
    raise failure("docker version failed", reason)


def with_buildkit() -> Docker:
    """A client that can build with BuildKit, one with buildx first. Raises StageError without one."""
    clients = _installed()
    kits = [(docker, kit) for docker in clients if (kit := docker.buildkit()) is not None]
    for docker, (_, buildx) in sorted(kits, key=lambda each: not each[1][1]):
        return Docker(docker.path, buildx)
    raise StageError(f"{clients[0].path} has no BuildKit", help="install Docker's plugin buildx (docker-buildx)")


def _installed() -> Sequence[Docker]:
    clients = programs("/usr/bin", "/usr/local/bin")
    if not clients:
        raise StageError("docker is not installed", help=INSTALL)
    return clients


@contextmanager
def isolated(scratch: Path) -> Iterator[Docker]:
    """A client with an empty configuration in a temporary folder: the user's logins are neither read nor changed.

    The engine is that of the user's configuration, by DOCKER_HOST or by a context.
    """
    docker = connected()
    host = os.environ.get("DOCKER_HOST") or _context_host(docker)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="docker-") as folder:
        environment = {**os.environ, "DOCKER_CONFIG": folder, **({"DOCKER_HOST": host} if host else {})}
        environment.pop("DOCKER_CONTEXT", None)
        yield Docker(docker.path, environment=environment)


def _context_host(docker: Docker) -> str:
    done = docker.run("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
    return last_line(done.stdout) if done.returncode == 0 else ""
