"""The SAM command line on one template: `sam deploy`, which creates a change set and executes it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from mlspec.errors import StageError
from mlspec.render.quoting import flow

_INSTALL: Final = "install the AWS SAM CLI: https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/install-sam-cli.html"
_LAST_LINES: Final = 12


class RunProgram(Protocol):
    """Runs a program in a folder; its exit code and what it wrote."""

    def __call__(self, command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> tuple[int, str]:
        """Run it with these variables besides the process's own."""


def run_program(command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> tuple[int, str]:
    """Run it with these variables besides the process's own. Raises StageError where it is not installed."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        raise StageError(f"{command[0]} not found", help=_INSTALL) from None
    return done.returncode, done.stdout


@dataclass(frozen=True)
class SamDeployment:
    """The deployment of one stack by `sam deploy`. `config` is the file with the user's settings, `work` a folder that
    git ignores."""

    stack: str
    template: Path
    config: Path
    environment: str
    """The environment of `config`."""
    region: str
    work: Path
    tags: Mapping[str, str]
    image_repository: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """More variables of the environment: the address and the credentials of an emulated AWS."""
    run: RunProgram = run_program

    def deploy(self) -> None:
        """Create the change set and execute it. Raises FailedDeploymentError with the last lines of the output."""
        with self._parameter_file() as options:
            code, output = self.run([*self._command(), *options], self.config.parent, self._environ())
        if code:
            raise FailedDeploymentError(output)

    def _command(self) -> list[str]:
        image = ["--image-repository", self.image_repository] if self.image_repository else []
        command = [
            "sam", "deploy",
            "--config-file", str(self.config), "--config-env", self.environment,
            "--template-file", str(self.template), "--stack-name", self.stack, "--region", self.region,
            "--capabilities", "CAPABILITY_NAMED_IAM",
            "--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar",
            "--tags", *(f"{name}={value}" for name, value in self.tags.items()),
        ]  # fmt: skip
        return [*command, *image]

    def _environ(self) -> Mapping[str, str]:
        return {**self.environ, "SAM_CLI_TELEMETRY": "0", "PYTHONWARNINGS": "ignore"}

    @contextmanager
    def _parameter_file(self) -> Iterator[list[str]]:
        """Parameters in a file that only this user can read: other processes see the arguments of a program."""
        if not self.parameters:
            yield []
            return
        self.work.mkdir(parents=True, exist_ok=True)
        file = self.work / f"{self.environment}-parameters.yaml"
        file.unlink(missing_ok=True)
        try:
            file.touch(mode=0o600, exist_ok=False)
            lines = [f"{name}: {flow(value)}\n" for name, value in self.parameters.items()]
            file.write_text("".join(lines), encoding="utf-8")
            yield ["--parameter-overrides", f"file://{file.resolve()}"]
        finally:
            file.unlink(missing_ok=True)


class FailedDeploymentError(Exception):
    """`sam deploy` failed."""

    def __init__(self, output: str) -> None:
        super().__init__("sam deploy failed")
        self.output = output

    @property
    def last_lines(self) -> list[str]:
        """The end of what it wrote, from the error on where it names one."""
        last = [line.strip() for line in self.output.splitlines() if line.strip()][-_LAST_LINES:]
        start = next((number for number, line in enumerate(last) if line.startswith("Error: ")), 0)
        return [last[start].removeprefix("Error: "), *last[start + 1 :]] if last else []
