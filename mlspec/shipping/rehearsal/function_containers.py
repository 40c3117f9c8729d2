"""Versions of the function as containers: isolated as in Lambda, with the memory of the function, started once each."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlspec.docker.client import Docker
from mlspec.docker.container import READ_ONLY, Container, start
from mlspec.docker.failures import failure
from mlspec.errors import StageError
from mlspec.shipping.rehearsal import lambda_adapter
from mlspec.shipping.rehearsal.control_plane_client import Sandbox

LABEL: Final = "io.mlspec.rehearsal"
"""Names the rehearsal, so that containers that a kill left running are found."""
VERSION: Final = "io.mlspec.version"
_TASK: Final = "/var/task"
_ADAPTER: Final = "/var/adapter.py"
_PORT: Final = 8080


@dataclass(frozen=True, slots=True)
class FunctionContainer:
    """A version that answers HTTP on a port of 127.0.0.1."""

    container: Container
    version: str
    port: int


@dataclass(frozen=True)
class FunctionContainers:
    """The containers of one rehearsal. `zips` has the unpacked code of versions that are zips."""

    docker: Docker
    owner: str
    zips: Path = Path()

    def start(
        self, version: str, sandbox: Sandbox, ready: Callable[[int], bool], patience: float = 60.0
    ) -> FunctionContainer:
        """A container of the version, once it answers. Raises StageError with the end of its log if it does not."""
        port = self._port(sandbox)
        mounts, command = self._code(sandbox, version)
        variables = [f"--env={name}={value}" for name, value in sandbox.variables.items()]
        labels = (f"--label={LABEL}={self.owner}", f"--label={VERSION}={version}")
        options = (*READ_ONLY, *mounts, *variables, *labels, f"--publish=127.0.0.1::{port}")
        try:
            container = start(self.docker, sandbox.image, options, command, memory=sandbox.memory)
        except StageError as error:
            raise StageError(f"version {version}: {error.message}", help=error.help) from None
        end = time.monotonic() + patience
        while (published := container.port(port)) is None or not ready(published):
            if not container.state().running or time.monotonic() > end:
                log = _end_of_log(container)
                container.remove()
                raise StageError(f"version {version} stops at its start", help=log)
            time.sleep(0.05)
        return FunctionContainer(container, version, published)

    def _port(self, sandbox: Sandbox) -> int:
        """The port that the image exposes. An image that the engine does not have is pulled."""
        image = sandbox.image
        details = self.docker.find(image)
        if details is None:
            done = self.docker.run("pull", image)
            if done.returncode:
                raise failure(f"cannot pull {image}", done.stderr)
            details = self.docker.inspect(image)
        return _PORT if sandbox.code else next(iter(details.ports), _PORT)

    def _code(self, sandbox: Sandbox, version: str) -> tuple[list[str], list[str]]:
        """Options and command for a zip: Lambda's user, the code read-only, behind our adapter. Empty for an image."""
        if not sandbox.code:
            return [], []
        folder = self.zips / sandbox.code
        if not folder.is_dir():
            message = f"the code of version {version} was removed from the rehearsal"
            raise StageError(message, help="mlspec destroy --target local, then: mlspec apply --target local")
        mounts = [f"--volume={folder}:{_TASK}:ro", f"--volume={lambda_adapter.__file__}:{_ADAPTER}:ro"]
        settings = [f"--env=LAMBDA_TASK_ROOT={_TASK}", f"--env=MODEL_BUNDLE={_TASK}/bundle", f"--workdir={_TASK}"]
        command = ["python", "-I", "-S", "-B", _ADAPTER, _TASK, sandbox.handler, str(_PORT)]
        return ["--user=993:990", *mounts, *settings], command

    def existing(self) -> list[Container]:
        """All containers of this rehearsal, of whichever process."""
        done = self.docker.run("ps", "--all", "--quiet", "--filter", f"label={LABEL}={self.owner}")
        return [Container(self.docker, id) for id in done.stdout.split()]


def _end_of_log(container: Container) -> str:
    prefix = "it needs more memory than deploy.lambda.memory; " if container.state().out_of_memory else ""
    return prefix + container.logs(5)[-500:]
