"""The rehearsal as a whole: its control plane, its registry and its endpoint, started, found again and ended."""

from __future__ import annotations

import hashlib
import http.client
import importlib.util
import os
import tempfile
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlspec.aws.aws_target import AwsTarget
from mlspec.docker.client import Docker, found
from mlspec.errors import StageError
from mlspec.shipping.rehearsal.control_plane_client import code_of
from mlspec.shipping.rehearsal.function_containers import FunctionContainers
from mlspec.shipping.rehearsal.processes import RehearsalProcesses, python
from mlspec.stage_context import StageContext

REGISTRY: Final = "127.0.0.1:5000"
"""Where a registry is looked for before one of our own is started."""
_PLANE, _IMAGES, _ENDPOINT = "control-plane", "registry", "endpoint"
_START: Final = "mlspec apply --target local    starts it"


@dataclass(frozen=True)
class Rehearsal:
    """The rehearsal of one project."""

    home: RehearsalProcesses

    @property
    def owner(self) -> str:
        """What its containers are labelled with."""
        return hashlib.sha256(str(self.home.folder).encode()).hexdigest()[:16]

    def start(self) -> None:
        """Have the control plane and a registry running."""
        self._plane()
        self._registry()

    def _plane(self) -> None:
        if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask") is None:
            raise StageError(
                "the rehearsal needs an emulated AWS, the package moto", help="pip install 'mlspec[local]'"
            )
        command = lambda port: python("moto.server", "-H", "127.0.0.1", "-p", str(port))  # noqa: E731
        # It then takes a function's image only where its own registry knows it, and answers with the true digest.
        strict = {"MOTO_LAMBDA_STUB_ECR": "false"}
        self.home.start(_PLANE, command, lambda port: _answers(f"127.0.0.1:{port}", "/moto-api/"), strict)

    def _registry(self) -> None:
        if not _answers(REGISTRY, "/v2/"):
            folder = str(self.home.folder / "images")
            command = lambda port: python("mlspec.shipping.rehearsal.local_registry", str(port), folder)  # noqa: E731
            self.home.start(_IMAGES, command, lambda port: _answers(f"127.0.0.1:{port}", "/v2/"))

    def target(self, region: str) -> AwsTarget:
        """Where stages ship to. Raises StageError where the rehearsal does not run."""
        plane, own = self.home.process(_PLANE), self.home.process(_IMAGES)
        if plane is None:
            raise StageError("the rehearsal is not running", help=_START)
        registry = REGISTRY if own is None else f"127.0.0.1:{own.port}"
        return AwsTarget("local", region, f"http://127.0.0.1:{plane.port}", registry, ("rehearsal", "rehearsal"))

    def endpoint(self, region: str, function: str, alias: str) -> str:
        """The address that callers use; started where it does not run."""
        plane = self.target(region).endpoint or ""
        wanted = [plane, region, function, alias]
        if self.home.state().get("serves") != wanted:
            self.home.end(_ENDPOINT)
            self.home.remember("serves", wanted)
        given = (*wanted, self.owner, str(self.zips))
        command = lambda port: python("mlspec.shipping.rehearsal.gateway", str(port), *given)  # noqa: E731
        process = self.home.start(_ENDPOINT, command, lambda port: _answers(f"127.0.0.1:{port}", "/_mlspec/"))
        return f"http://127.0.0.1:{process.port}"

    @property
    def zips(self) -> Path:
        """The unpacked zips, each in a folder called after its digest."""
        return self.home.folder / "zips"

    def keep(self, file: Path, sha256: str) -> None:
        """Keep a zip for its version to run: the control plane gives no code back. `sha256` is in base64."""
        folder = self.zips / code_of(sha256)
        if folder.is_dir():
            return
        self.zips.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.zips) as made, zipfile.ZipFile(file) as archive:
            archive.extractall(Path(made) / "task")
            (Path(made) / "task").rename(folder)

    @property
    def address(self) -> str | None:
        """The endpoint where it runs."""
        process = self.home.process(_ENDPOINT)
        return f"http://127.0.0.1:{process.port}" if process else None

    def stop(self) -> list[str]:
        """End everything that it started; gives what that was."""
        ended = [name for name in (_ENDPOINT, _PLANE, _IMAGES) if self.home.end(name)]
        containers = FunctionContainers(Docker(found(), dict(os.environ)), self.owner)
        left = containers.left()
        for id in left:
            containers.remove(id)
        return [*ended, *(["containers"] if left else [])]


def here(context: StageContext) -> Rehearsal:
    """The rehearsal of the project."""
    return Rehearsal(RehearsalProcesses(context.local_dir))


def _answers(host: str, path: str) -> bool:
    """Whether somebody speaks HTTP there; whatever it says."""
    try:
        urllib.request.urlopen(f"http://{host}{path}", timeout=2).close()
    except urllib.error.HTTPError as error:
        return error.code != 502
    except (OSError, http.client.HTTPException):
        return False
    return True
