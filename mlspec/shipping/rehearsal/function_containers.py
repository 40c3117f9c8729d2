"""Versions of the function as containers: locked down as Lambda does it, with its memory, started once each."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlspec.docker.client import Docker
from mlspec.errors import StageError
from mlspec.shipping.rehearsal import lambda_adapter
from mlspec.shipping.rehearsal.control_plane_client import Sandbox

LABEL: Final = "io.mlspec.rehearsal"
"""Names the rehearsal's folder, so that what a kill left behind is found again."""
VERSION: Final = "io.mlspec.version"
_LOCKED: Final = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")  # noqa: S108


_TASK: Final = "/var/task"
_PORT: Final = 8080


@dataclass(frozen=True, slots=True)
class FunctionContainer:
    """A running version, answering HTTP on a port of 127.0.0.1."""

    id: str
    version: str
    port: int


@dataclass(frozen=True)
class FunctionContainers:
    """The containers of one rehearsal. `zips` has the unpacked zips of functions that run no image."""

    docker: Docker
    owner: str
    zips: Path = Path()

    def start(
        self, version: str, sandbox: Sandbox, ready: Callable[[int], bool], patience: float = 60.0
    ) -> FunctionContainer:
        """A container of the version, once it answers. Raises StageError with its last words where it does not."""
        port = self._port(sandbox)
        mounts, command = self._code(sandbox, version)
        memory = (f"--memory={sandbox.memory}m", f"--memory-swap={sandbox.memory}m")
        variables = [f"--env={name}={value}" for name, value in sandbox.variables.items()]
        labels = (f"--label={LABEL}={self.owner}", f"--label={VERSION}={version}")
        done = self.docker.run(
            "run", "--detach", *_LOCKED, *memory, *mounts, *variables, *labels, f"--publish=127.0.0.1::{port}",
            sandbox.image, *command,
        )  # fmt: skip
        if done.returncode:
            raise StageError(f"version {version} does not start", help=done.stderr.strip()[-500:])
        id = done.stdout.strip().splitlines()[-1]
        end = time.monotonic() + patience
        while (published := self.port(id, port)) is None or not ready(published):
            if self.gone(id) or time.monotonic() > end:
                words = self._last_words(id)
                self.remove(id)
                raise StageError(f"version {version} ends as it starts", help=words)
            time.sleep(0.05)
        return FunctionContainer(id, version, published)

    def _port(self, sandbox: Sandbox) -> int:
        """The port that the image says it listens on. An image that is not here is pulled."""
        image = sandbox.image
        if (
            self.docker.run("image", "inspect", image).returncode
            and (done := self.docker.run("pull", image)).returncode
        ):
            raise StageError(f"docker cannot pull {image}", help=done.stderr.strip()[-500:])
        if sandbox.code:
            return _PORT
        exposed = self.docker.inspect(image)["Config"].get("ExposedPorts") or {"8080/tcp": {}}
        return int(next(iter(exposed)).partition("/")[0])

    def _code(self, sandbox: Sandbox, version: str) -> tuple[list[str], list[str]]:
        """Of a zip, what `docker run` needs to run it as Lambda does: its own user, its code read-only, our front."""
        if not sandbox.code:
            return [], []
        folder = self.zips / sandbox.code
        if not folder.is_dir():
            message = f"the zip of version {version} is no longer kept for the rehearsal"
            raise StageError(message, help="mlspec destroy --target local, then: mlspec apply --target local")
        mounts = [f"--volume={folder}:{_TASK}:ro", f"--volume={lambda_adapter.__file__}:/var/front.py:ro"]
        settings = [f"--env=LAMBDA_TASK_ROOT={_TASK}", f"--env=MODEL_BUNDLE={_TASK}/bundle", f"--workdir={_TASK}"]
        command = ["python", "-I", "-S", "-B", "/var/front.py", _TASK, sandbox.handler, str(_PORT)]
        return ["--user=993:990", *mounts, *settings], command

    def port(self, id: str, inner: int) -> int | None:
        """Where it is reached from here; None where it no longer runs."""
        said = self.docker.run("port", id, str(inner)).stdout.strip().splitlines()
        number = said[0].rpartition(":")[2] if said else ""
        return int(number) if number.isdigit() else None

    def gone(self, id: str) -> bool:
        """Whether it has ended."""
        return self.docker.run("inspect", "--format", "{{.State.Running}}", id).stdout.strip() != "true"

    def starved(self, id: str) -> bool:
        """Whether the kernel ended it for want of memory."""
        return self.docker.run("inspect", "--format", "{{.State.OOMKilled}}", id).stdout.strip() == "true"

    def remove(self, id: str) -> None:
        """End it at once, and remove it."""
        self.docker.run("rm", "--force", "--volumes", id)

    def left(self) -> list[str]:
        """All containers of this rehearsal, whoever started them."""
        return self.docker.run("ps", "--all", "--quiet", "--filter", f"label={LABEL}={self.owner}").stdout.split()

    def _last_words(self, id: str) -> str:
        starved = "it needs more memory than deploy.lambda.memory; " if self.starved(id) else ""
        done = self.docker.run("logs", "--tail", "5", id)
        return starved + (done.stdout + done.stderr).strip()[-500:]
