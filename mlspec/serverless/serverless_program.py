"""The command line of the Serverless Framework, or of its free fork osls, on one service: package, deploy, remove."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from mlspec.cloudformation.sam_program import RunProgram, run_program
from mlspec.errors import StageError
from mlspec.serverless.packaged_service import PackagedService

ProgramName = Literal["auto", "osls", "serverless"]
INSTALL: Final[Mapping[str, str]] = {
    "auto": "npm install --global osls",
    "osls": "npm install --global osls",
    "serverless": "npm install --global serverless",
}
_ORDER: Final = ("osls", "serverless")
"""The fork first: it deploys without a login and without a licence key."""
_QUIET: Final = {"SLS_TELEMETRY_DISABLED": "1", "SLS_NOTIFICATIONS_MODE": "off", "NO_COLOR": "1", "CI": "1"}
_COLOR: Final = re.compile(r"\x1b\[[0-9;]*m")


def program(name: ProgramName, which: Callable[[str], str | None] = shutil.which) -> str:
    """The path of the program that the spec names. Raises StageError where it is not installed."""
    names = _ORDER if name == "auto" else (name,)
    path = next((path for path in map(which, names) if path), None)
    if path is None:
        missing = " or ".join(names)
        raise StageError(f"{missing} not found: it packages and deploys serverless/", help=INSTALL[name])
    return path


@dataclass(frozen=True)
class Serverless:
    """One service: the folder of its serverless.yml, and the folder for its package, which git ignores."""

    program: str
    service: Path
    work: Path
    params: Mapping[str, str]
    """Values of `${param:NAME}` in the file. They are part of the template, so no secret belongs here."""
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """More variables of the environment: the address and the credentials of an emulated AWS."""
    run: RunProgram = field(default=run_program, repr=False)

    def package(self) -> PackagedService:
        """Write the template of the stack into `work`; no network is used."""
        self._execute("package", "--package", str(self.work))
        return PackagedService.read(self.work)

    def deploy(self) -> None:
        """Deploy what `package` has written."""
        self._execute("deploy", "--package", str(self.work))

    def remove(self) -> None:
        """Delete the stack, with the bucket that its packages were uploaded to."""
        self._execute("remove")

    def _execute(self, command: str, *options: str) -> None:
        given = [f"--param={name}={value}" for name, value in self.params.items()]
        if not (self.service / "serverless.yml").is_file():
            raise StageError(f"serverless/{self.service.name}/serverless.yml not found", help="mlspec build")
        code, output = self.run([self.program, command, *options, *given], self.service, {**_QUIET, **self.environ})
        if code:
            raise _error(self.program, command, output)


def _error(program: str, command: str, output: str) -> StageError:
    """The program's own message, without its banner."""
    lines = [_COLOR.sub("", line).rstrip() for line in output.splitlines()]
    start = next((at + 1 for at, line in enumerate(lines) if line.startswith(("Error:", "✖"))), 0)
    shown = [line for line in lines[start:] if line and not line.startswith(("Environment:", "Docs:"))][:12]
    message = f"{Path(program).name} {command} failed: " + "\n  ".join(shown or ["it wrote no message"])
    help = "correct the spec, the account or serverless/ where the message points, then run the command again"
    return StageError(message, help=help)
