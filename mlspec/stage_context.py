"""What a command passes to the processes of its stages beside the spec: the target, and the options of this run.

The one module that knows the environment variables `MLSPEC_*`. A command makes a `StageContext` of its options and its
environment; the engine starts a stage with `to_env`, and the stage's process begins with `from_env`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlspec.errors import UsageError
from mlspec.target_facts import AWS, LOCAL, TARGETS, TargetFacts, TargetName

_TARGET: Final = "MLSPEC_TARGET"
_LOCAL: Final = "MLSPEC_LOCAL"
_FAULTS: Final = "MLSPEC_FAULTS"
_ALLOW_BREAKING: Final = "MLSPEC_ALLOW_BREAKING"
_ADOPT: Final = "MLSPEC_ADOPT"
_HOLDER: Final = "MLSPEC_HOLDER"
_WATCH: Final = "MLSPEC_WATCH"
_DAGSHUB: Final = "MLSPEC_DAGSHUB"
LAMBDA_EMULATOR: Final = "MLSPEC_LAMBDA_EMULATOR"
"""Path of AWS's Lambda Runtime Interface Emulator, where it is not on PATH."""
_YES, _NO = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageContext:
    """One command's choices that its stages share. `root` is the project's folder."""

    target: TargetName = AWS.name
    root: Path = Path()
    local_dir: Path = Path(".mlspec/local")
    """State of the rehearsal, for `target` local."""
    faults: tuple[str, ...] = ()
    """Faults to inject into the new version of a rehearsal, as `NAME=VALUE`."""
    allow_breaking: bool = False
    """Deploy a version even if it breaks clients of the live one."""
    adopt: bool = False
    """Take over existing resources of the account: those without a tag of a project, and the project's own into a new
    stack."""
    change_set: bool = False
    """For a plan alone: let CloudFormation compute the changes of a stack. It writes a change set and deletes it."""
    holder: int | None = None
    """Process id of the mlspec that holds the project's lock for its stages."""
    dagshub: str = "https://dagshub.com"
    """Address of DagsHub: another one for a private installation, or for tests."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str], root: Path) -> StageContext:
        """The context that the environment describes. Raises UsageError for a value that a variable cannot have."""
        holder = environ.get(_HOLDER, "")
        return cls(
            target=target_in(environ) or AWS.name,
            root=root,
            local_dir=Path(environ.get(_LOCAL) or root / ".mlspec" / "local"),
            faults=tuple(environ.get(_FAULTS, "").splitlines()),
            allow_breaking=_flag(environ, _ALLOW_BREAKING),
            adopt=_flag(environ, _ADOPT),
            holder=int(holder) if holder.isdecimal() else None,
            dagshub=dagshub_in(environ),
        )

    def to_env(self) -> dict[str, str]:
        """The variables from which `from_env` makes the same context; all of them, so that no older value remains."""
        return {
            _TARGET: self.target,
            _LOCAL: str(self.local_dir),
            _FAULTS: "\n".join(self.faults),
            _ALLOW_BREAKING: "1" if self.allow_breaking else "",
            _ADOPT: "1" if self.adopt else "",
            _HOLDER: "" if self.holder is None else str(self.holder),
            _DAGSHUB: self.dagshub,
        }

    @property
    def facts(self) -> TargetFacts:
        """What distinguishes the target."""
        return TARGETS[self.target]

    @property
    def options(self) -> str:
        """The options that make another command use the same target, with a space before them."""
        return self.facts.option

    @property
    def rehearsal_option(self) -> str:
        """The option that selects the rehearsal, where the project has one and this context is not it; otherwise ""."""
        return "" if self.facts.rehearsal or not self.local_dir.is_dir() else LOCAL.option


def target_in(environ: Mapping[str, str]) -> TargetName | None:
    """The target that the environment names. Raises UsageError for one that does not exist."""
    name = environ.get(_TARGET, "")
    if name and name not in TARGETS:
        raise UsageError(f"target not found: {_TARGET}={name}", help=f"set it to {' or '.join(TARGETS)}, or unset it")
    return next((target for target in TARGETS if target == name), None)


def dagshub_in(environ: Mapping[str, str]) -> str:
    """The address of DagsHub, without a slash at its end."""
    return (environ.get(_DAGSHUB) or "https://dagshub.com").rstrip("/")


def _flag(environ: Mapping[str, str], name: str) -> bool:
    value = environ.get(name, "").lower()
    if value not in (*_YES, *_NO):
        raise UsageError(f"{name} is `{value}`, which is neither yes nor no", help=f"set {name}=1, or unset it")
    return value in _YES


@dataclass(frozen=True, slots=True)
class WatchedProject:
    """A project whose files are watched while a stage runs: its folder, and the file that lists what was opened."""

    root: str
    file: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> WatchedProject | None:
        """The project that this process must watch; None where it belongs to no watched stage."""
        root, separator, file = environ.get(_WATCH, "").partition("\n")
        return cls(root, file) if separator else None

    def to_env(self) -> dict[str, str]:
        """The variable from which processes below the stage make the same."""
        return {_WATCH: f"{self.root}\n{self.file}"}


def lambda_emulator() -> Path | None:
    """The binary of AWS's Lambda Runtime Interface Emulator; None where this machine has none."""
    path = os.environ.get(LAMBDA_EMULATOR) or shutil.which("aws-lambda-rie")
    return Path(path).resolve() if path and Path(path).is_file() else None
