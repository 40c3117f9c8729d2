"""The Docker engine through its command line: build, inspect, tag; and its failures as sentences with the next step."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mlspec.docker.client import clients
from mlspec.errors import StageError

_AGAIN: Final = "then: mlspec apply, which goes on from what is built already"
_FAILURES: Final = (
    (
        r"Cannot connect to the Docker daemon|error during connect|dial unix|unexpected EOF"
        r"|transport is closing|code = Unavailable|connection reset by peer|^EOF$|error reading from server",
        "the Docker engine does not answer, or stopped in the middle",
        f"start it (sudo systemctl start docker, or Docker Desktop), {_AGAIN}",
    ),
    (
        r"no space left on device|disk quota exceeded",
        "the Docker engine's disk is full",
        f"docker system df shows what takes the space, docker builder prune frees some, {_AGAIN}",
    ),
    (
        r"permission denied while trying to connect",
        "this user may not use the Docker engine",
        "sudo usermod -aG docker $USER, and log in again",
    ),
    (
        r"Temporary failure in name resolution|Could not fetch URL|Read timed out|ReadTimeoutError|NewConnectionError"
        r"|no such host|TLS handshake timeout|i/o timeout|net/http: request canceled",
        "the build has no way to the network",
        f"check it, and the engine's proxy settings, {_AGAIN}",
    ),
    (
        r"pull access denied|manifest unknown|manifest for \S+ not found|failed to resolve source metadata"
        r"|repository does not exist|(?:name|tag) (?:unknown|invalid)|: not found: manifest",
        "there is no such base image, or it is not open to this machine",
        "look at package.docker.base and Dockerfile.lock; docker login, where the registry wants it",
    ),
    (
        r"No matching distribution found|Could not find a version",
        "a package in requirements-serve.txt has no wheel for that Python and processor",
        "look at package.docker.python and package.docker.platform",
    ),
    (
        r"exec format error",
        "this engine cannot run that processor's programs",
        "build on such a machine, or install emulation: docker run --privileged --rm tonistiigi/binfmt --install all",
    ),
)
"""What Docker and pip say, what it means, and what to do. The first that fits counts."""


@dataclass(frozen=True, slots=True)
class Client:
    """A Docker client that can build with BuildKit."""

    path: str
    buildx: bool
    """Whether it builds with the buildx plugin; before Docker 23 the client has BuildKit of its own."""

    def run(self, *arguments: str, given: bytes | None = None) -> subprocess.CompletedProcess[str]:
        """A finished command with what it wrote; it raises nothing."""
        text = None if given is None else given.decode("utf-8")
        with_input: dict[str, Any] = {"stdin": subprocess.DEVNULL} if text is None else {"input": text}
        return subprocess.run([self.path, *arguments], capture_output=True, text=True, errors="replace", **with_input)

    def ask(self, *arguments: str) -> str:
        """What a command says. Raises StageError where it fails."""
        done = self.run(*arguments)
        if done.returncode:
            raise failure(f"docker {arguments[0]} failed", done.stderr + done.stdout)
        return done.stdout.strip()

    def inspect(self, image: str) -> dict[str, Any]:
        """What the engine knows of an image: `Id`, `Size` in bytes, `Architecture`, `RepoDigests`, `Config`, ..."""
        found: list[dict[str, Any]] = json.loads(self.ask("image", "inspect", image))
        return found[0]


def client() -> Client:
    """The client on this machine that has BuildKit. Raises StageError where there is none."""
    found = clients()
    for path in found:
        if Client(path, True).run("buildx", "version").returncode == 0:
            return Client(path, True)
    for path in found:
        version = Client(path, False).run("version", "--format", "{{.Client.Version}}").stdout.partition(".")[0]
        if version.isdigit() and int(version) < 23:
            return Client(path, False)
    raise StageError(f"{found[0]} has no BuildKit", help="install Docker's buildx plugin (docker-buildx)")


def build(
    docker: Client,
    context: Path,
    dockerfile: str,
    platform: str,
    labels: Mapping[str, str],
    arguments: Mapping[str, str],
    *,
    cache: bool = True,
) -> str:
    """The id of the image that `dockerfile` (its text) makes of the folder `context`; what Docker says goes to the log.

    The image gets no name: whoever has proved it gives it one. Raises StageError where it cannot be built.
    """
    with tempfile.TemporaryDirectory(prefix="mlspec-") as folder:
        file = Path(folder) / "id"
        command = ["build", "--progress", "plain", "--platform", platform, "--iidfile", str(file), "--file", "-"]
        command += ["--load"] * docker.buildx + ["--no-cache"] * (not cache)
        for name, value in labels.items():
            command += ["--label", f"{name}={value}"]
        for name, value in arguments.items():
            command += ["--build-arg", f"{name}={value}"]
        # No attestations: they make the image an index of images, which Lambda refuses.
        environment = {"DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
        code, said = _follow([docker.path, *command, str(context)], dockerfile, environment)
        if code:
            raise failure("docker build failed", said)
        return file.read_text(encoding="ascii").strip()


def _follow(command: Sequence[str], given: str, environment: Mapping[str, str]) -> tuple[int, str]:
    """Exit code and last lines of a command whose output goes on to this process's own."""
    last: deque[str] = deque(maxlen=60)
    with subprocess.Popen(
        command, env={**os.environ, **environment}, text=True, errors="replace",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(given)
            process.stdin.close()
        except BrokenPipeError:
            pass  # it ended before it read the Dockerfile, and says why
        for line in process.stdout:
            last.append(line)
            sys.stdout.write(line)
            sys.stdout.flush()
    return process.returncode, "".join(last)


def failure(what: str, said: str) -> StageError:
    """The StageError for what Docker said when `what` happened."""
    lines = [line.strip() for line in said.strip().splitlines() if line.strip()]
    reason = lines[-1] if lines else "it said nothing"
    for pattern, meaning, help in _FAILURES:
        if re.search(pattern, said, re.MULTILINE):
            line = next(line for line in reversed(lines) if re.search(pattern, line))
            return StageError(f"{what}: {meaning} ({_short(line)})", help=help)
    return StageError(f"{what}: {_short(reason)}", help="the log has all of it")


def _short(line: str) -> str:
    return line if len(line) <= 300 else f"{line[:290]} ..."
