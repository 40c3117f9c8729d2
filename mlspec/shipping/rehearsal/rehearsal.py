"""The rehearsal of a project: control plane, image registry and endpoint on this machine, started and stopped."""

from __future__ import annotations

import hashlib
import http.client
import importlib.util
import tempfile
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlspec.aws.aws_target import AwsTarget
from mlspec.docker.client import connected
from mlspec.errors import StageError
from mlspec.shipping.rehearsal.control_plane_client import code_folder
from mlspec.shipping.rehearsal.function_containers import FunctionContainers
from mlspec.shipping.rehearsal.processes import RehearsalProcesses, python
from mlspec.stage_context import StageContext

REGISTRY: Final = "127.0.0.1:5000"
"""A registry on this address is used; without one, the rehearsal starts its own."""
_PLANE, _IMAGES, _ENDPOINT = "control-plane", "registry", "endpoint"
_START: Final = "mlspec apply --target local"


@dataclass(frozen=True)
class Rehearsal:
    """The rehearsal of one project."""

    home: RehearsalProcesses

    @property
    def owner(self) -> str:
        """The label of its containers."""
        return hashlib.sha256(str(self.home.folder).encode()).hexdigest()[:16]

    def start(self) -> None:
        """Start the control plane and the registry, if they do not run."""
        self._plane()
        self._registry()

    def _plane(self) -> None:
        if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask") is None:
            raise StageError(
                "the rehearsal needs the package moto, which emulates AWS", help="pip install 'mlspec[local]'"
            )
        command = lambda port: python("moto.server", "-H", "127.0.0.1", "-p", str(port))  # noqa: E731
        # It then accepts an image only if its own registry has it, and answers with the real digest.
        strict = {"MOTO_LAMBDA_STUB_ECR": "false"}
        self.home.start(_PLANE, command, lambda port: responds(f"127.0.0.1:{port}", "/moto-api/"), strict)

    def _registry(self) -> None:
        if not responds(REGISTRY, "/v2/"):
            folder = str(self.home.folder / "images")
            command = lambda port: python("mlspec.shipping.rehearsal.local_registry", str(port), folder)  # noqa: E731
            self.home.start(_IMAGES, command, lambda port: responds(f"127.0.0.1:{port}", "/v2/"))

    def target(self, region: str) -> AwsTarget:
        """The target that stages ship to. Raises StageError where the rehearsal does not run."""
        plane, own = self.home.process(_PLANE), self.home.process(_IMAGES)
        if plane is None:
            raise StageError("the rehearsal is not running", help=_START)
        registry = REGISTRY if own is None else f"127.0.0.1:{own.port}"
        return AwsTarget("local", region, f"http://127.0.0.1:{plane.port}", registry, ("rehearsal", "rehearsal"))

    def endpoint(self, region: str, function: str, alias: str) -> str:
        """The address of the endpoint of that alias; started if it does not run."""
        plane = self.target(region).endpoint or ""
        serves = (plane, region, function, alias)
        if self.home.serves != serves:
            self.home.end(_ENDPOINT)
            self.home.remember("serves", serves)
        arguments = (*serves, self.owner, str(self.zips))
        command = lambda port: python("mlspec.shipping.rehearsal.gateway", str(port), *arguments)  # noqa: E731
        process = self.home.start(_ENDPOINT, command, lambda port: responds(f"127.0.0.1:{port}", "/_mlspec/"))
        return f"http://127.0.0.1:{process.port}"

    @property
    def zips(self) -> Path:
        """The unpacked zips, each in a folder named by its digest."""
        return self.home.folder / "zips"

    def keep(self, file: Path, sha256: str) -> None:
        """Unpack a zip for its version: the control plane does not return code. `sha256` is in base64."""
        folder = self.zips / code_folder(sha256)
        if folder.is_dir():
            return
        self.zips.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.zips) as partial, zipfile.ZipFile(file) as archive:
            archive.extractall(Path(partial) / "task")
            (Path(partial) / "task").rename(folder)

    @property
    def address(self) -> str | None:
        """The address of the endpoint; None where it does not run."""
        process = self.home.process(_ENDPOINT)
        return f"http://127.0.0.1:{process.port}" if process else None

    def stop(self) -> list[str]:
        """Stop all processes and containers of it, and return their names."""
        ended = [name for name in (_ENDPOINT, _PLANE, _IMAGES) if self.home.end(name)]
        containers = FunctionContainers(connected(), self.owner).existing()
        for container in containers:
            container.remove()
        return [*ended, *(["containers"] if containers else [])]


def here(context: StageContext) -> Rehearsal:
    """The rehearsal of the project."""
    return Rehearsal(RehearsalProcesses(context.local_dir))


def responds(host: str, path: str) -> bool:
    """Whether a server answers there, with whatever status."""
    try:
        urllib.request.urlopen(f"http://{host}{path}", timeout=2).close()
    except urllib.error.HTTPError as error:
        return error.code != 502
    except (OSError, http.client.HTTPException):
        return False
    return True
