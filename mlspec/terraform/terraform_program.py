"""Terraform's command line on one module: init, plan, show, apply."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mlspec.errors import StageError
from mlspec.terraform.planned_change import Message, ModulePlan, differences, messages, planned

Value = str | bool | Mapping[str, str]
_INSTALL: Final = "install Terraform: https://developer.hashicorp.com/terraform/install"


@dataclass(frozen=True)
class Terraform:
    """One module: the folder of its files, and a folder for its providers and plans, which git ignores.

    `variables` are passed by environment, since some are secrets.
    """

    module: Path
    work: Path
    variables: Mapping[str, Value] = field(repr=False)
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """More variables of the environment: the address and the credentials of an emulated AWS."""
    backend_file: Path | None = None
    """The user's settings of a remote state; None of a local one."""

    def init(self) -> None:
        """Install the providers, of the versions in the module's lock file where it has one."""
        settings = [f"-backend-config={_existing(self.backend_file)}"] if self.backend_file else []
        done = self._execute("init", "-input=false", "-json", "-reconfigure", *settings)
        if done.returncode:
            raise _error("init", messages(done.stdout), done.stderr)

    def plan(self, *, destroy: bool = False, targets: Iterable[str] = ()) -> ModulePlan:
        """What `apply` would change, saved so that exactly that is applied; with `targets` only of these addresses."""
        self.work.mkdir(parents=True, exist_ok=True)
        file = self.work / ("destroy.tfplan" if destroy else "apply.tfplan")
        options = ["-input=false", "-lock=false", "-json", f"-out={file}", *(["-destroy"] if destroy else [])]
        options += [f"-target={address}" for address in targets]
        done = self._execute("plan", *options)
        output = messages(done.stdout)
        if done.returncode:
            file.unlink(missing_ok=True)
            raise _error("plan", output, done.stderr)
        changes = planned(output)
        updates = any(change.action == "update" for change in changes)
        return ModulePlan(file, differences(changes, self._show(file) if updates else ""))

    def apply(self, file: str) -> None:
        """Execute a saved plan; Terraform refuses one that is older than the state."""
        done = self._execute("apply", "-input=false", "-json", file)
        if done.returncode:
            raise _error("apply", messages(done.stdout), done.stderr)

    def addresses(self) -> frozenset[str]:
        """Addresses of the resources in the state."""
        listed = self._execute("state", "list")
        return frozenset(listed.stdout.split()) if listed.returncode == 0 else frozenset()

    def forget(self) -> None:
        """Remove all resources from the state; none of them changes."""
        if addresses := sorted(self.addresses()):
            self._text("state", "rm", *addresses)

    def outputs(self) -> dict[str, str]:
        """The outputs of the module in its state; sensitive ones are left out."""
        answer = json.loads(self._text("output", "-json"))
        return {name: str(one["value"]) for name, one in answer.items() if not one.get("sensitive")}

    def _show(self, file: Path) -> str:
        return self._text("show", "-json", str(file))

    def _text(self, *arguments: str) -> str:
        done = self._execute(*arguments)
        if done.returncode:
            raise _error(arguments[0], [], done.stderr)
        return done.stdout

    def _execute(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, **self.environ, "TF_DATA_DIR": str(self.work / "data"), "TF_IN_AUTOMATION": "1"}
        environ |= {f"TF_VAR_{name}": _written(value) for name, value in self.variables.items()}
        try:
            return subprocess.run(
                ["terraform", *arguments],
                cwd=self.module,
                env=environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError:
            raise StageError("terraform not found", help=_INSTALL) from None


def _existing(file: Path) -> Path:
    if file.is_file():
        return file.resolve()
    message = f"terraform/{file.name} not found: it names the S3 bucket of Terraform's state"
    help = (
        'write it, a line each: bucket = "NAME", region = "REGION" and use_lockfile = true; or set '
        "deploy.terraform.backend: local"
    )
    raise StageError(message, help=help)


def _written(value: Value) -> str:
    """A value as Terraform reads it from the environment: texts as they are, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _error(command: str, output: list[Message], other: str) -> StageError:
    """Terraform's own errors; where it gave none in JSON, the last lines of what it wrote."""
    problems = [one.diagnostic for one in output if one.diagnostic and one.diagnostic.severity == "error"]
    shown = [problem.text for problem in problems[:5]] or other.strip().splitlines()[-12:]
    message = f"terraform {command} failed: " + "\n  ".join(shown)
    help = "correct the spec, the account or terraform/ where the message points; the state is as Terraform left it"
    return StageError(message, help=help)
