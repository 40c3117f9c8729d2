"""Locates the spec file of a command: as named, or in the current folder or a parent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from mlspec.diagnostics import Diagnostic
from mlspec.errors import SpecError, UsageError
from mlspec.workspace.output_file import brief

SPEC = "mlproject.yaml"
_CREATE = "create a project with `mlspec init`, or name the file with --spec FILE"


class SpecFile(NamedTuple):
    """The spec of a command, the project folder, and the environment."""

    spec: Path
    root: Path
    environment: str | None


def find_spec(spec: str | None, env: str | None = None, *, gone: bool = False) -> SpecFile:
    """Locate the spec. With `gone` a named file need not exist.

    Raises SpecError if the file does not exist, UsageError for a pipe or a terminal.
    """
    if spec is not None:
        path = Path(os.path.abspath(spec))
        if _stream(path):
            raise UsageError(
                f"cannot read the spec from {spec}: the project root would be its parent directory",
                help="write the spec to a file in the project folder, and name it with --spec FILE",
            )
        if not gone and not path.is_file():
            raise _no_file(path, spec)
        return SpecFile(path, path.parent, env)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / SPEC).is_file():
            return SpecFile(folder / SPEC, folder, env)
    message = f"{SPEC} not found in this folder or its parents"
    raise SpecError([Diagnostic("missing-file", message, SPEC, None, _CREATE)])


def _stream(path: Path) -> bool:
    """Whether the path is a pipe, a device, or a file of this process only."""
    private = path.parent in (Path("/dev"), Path("/dev/fd")) or path.is_relative_to("/proc")
    return private or (path.exists() and not path.is_file() and not path.is_dir())


def _no_file(path: Path, given: str) -> SpecError:
    """The error for a spec that does not exist."""
    shown = brief(given)
    if path.is_dir():
        help = f"name a file in it, for example --spec {shown.rstrip('/')}/{SPEC}"
        return SpecError([Diagnostic("missing-file", f"{shown} is a folder, not a file", shown, None, help)])
    return SpecError([Diagnostic("missing-file", f"file not found: {shown}", shown, None, _CREATE)])
