"""The spec file that a command works on: named, or found in this folder or one above."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from mlspec.diagnostics import Diagnostic
from mlspec.errors import SpecError, UsageError
from mlspec.workspace.output_file import brief

SPEC = "mlproject.yaml"


class SpecFile(NamedTuple):
    """The spec that a command works on."""

    spec: Path
    root: Path
    environment: str | None


def find_spec(spec: str | None, env: str | None = None, *, gone: bool = False) -> SpecFile:
    """Where the spec is. With `gone` a file that is named need not exist.

    Raises SpecError when there is none, UsageError for a pipe or a terminal.
    """
    if spec is not None:
        path = Path(os.path.abspath(spec))
        if _stream(path):
            raise UsageError(
                f"the spec cannot come from {spec}: its folder is the project's, and that is no folder for one",
                help="write it to a file in the project's folder, and name that with --spec FILE",
            )
        if not gone and not path.is_file():
            raise _no_file(path, spec)
        return SpecFile(path, path.parent, env)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / SPEC).is_file():
            return SpecFile(folder / SPEC, folder, env)
    message = f"there is no {SPEC} here or in a folder above"
    help = "start a project with `mlspec init`, or name the file with --spec FILE"
    raise SpecError([Diagnostic("missing-file", message, SPEC, None, help)])


def _stream(path: Path) -> bool:
    """Whether it is a pipe, a device, or a file that only this process sees under that name."""
    private = path.parent in (Path("/dev"), Path("/dev/fd")) or path.is_relative_to("/proc")
    return private or (path.exists() and not path.is_file() and not path.is_dir())


def _no_file(path: Path, given: str) -> SpecError:
    """The failure of a spec that is not there, before anything is written beside it."""
    shown = brief(given)
    if path.is_dir():
        return SpecError([Diagnostic("missing-file", f"{shown} is a folder, not a file", shown, None)])
    help = "start a project with `mlspec init`, or name the file with --spec FILE"
    return SpecError([Diagnostic("missing-file", f"there is no {shown}", shown, None, help)])
