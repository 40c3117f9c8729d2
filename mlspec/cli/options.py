"""Options that commands share, and finding the spec they speak of."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click

from mlspec.cli.paths import PATH, brief
from mlspec.diagnostics import Diagnostic
from mlspec.errors import SpecError, UsageError

SPEC = "mlproject.yaml"
TARGET = "MLSPEC_TARGET"
"""What `shipping.choice` reads; named here as well, so that `--help` need not import it."""
ENGINES = ("dvc",)
"""What `run/engines/choice.py` has; named here as well, so that `--help` need not import it."""
F = TypeVar("F", bound=Callable[..., Any])


class Place(NamedTuple):
    """The spec that a command works on."""

    spec: Path
    root: Path
    environment: str | None


def spec_options(function: F) -> F:
    """`--spec FILE --env NAME --json` for a command; they arrive as `spec`, `env`, `as_json`."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout."),
        click.option("--env", metavar="NAME", help="Lay environments.NAME over the spec."),
        click.option("--spec", metavar="FILE", type=PATH, help=f"The spec. Default: {SPEC} here or in a folder above."),
    ):
        function = option(function)
    return function


def target_option(function: F) -> F:
    """`--target NAME` for a command that ships, or asks where things were shipped to."""

    def choose(_context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
        if value is not None:
            os.environ[TARGET] = value  # for this process and the stages below it alike

    return click.option(
        "--target",
        type=click.Choice(["aws", "local"]),
        callback=choose,
        expose_value=False,
        help="An AWS account, or its rehearsal on this machine. Default: aws.",
    )(function)


def engine_option(function: F) -> F:
    """`--engine NAME` for a command that runs stages, or tells why each would run; None where it is not given."""
    return click.option("--engine", type=click.Choice(ENGINES), help="What carries the stages out. Default: dvc.")(
        function
    )


def place(spec: str | None, env: str | None = None, *, gone: bool = False) -> Place:
    """Where the spec is. With `gone` a file that is named need not exist.

    Raises SpecError when there is none, UsageError for a pipe or a terminal.
    """
    if spec is not None:
        path = Path(os.path.abspath(spec))  # noqa: PTH100 - `..` must go, links must stay
        if _stream(path):
            raise UsageError(
                f"the spec cannot come from {spec}: its folder is the project's, and that is no folder for one",
                help="write it to a file in the project's folder, and name that with --spec FILE",
            )
        if not gone and not path.is_file():
            raise _no_file(path, spec)
        return Place(path, path.parent, env)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / SPEC).is_file():
            return Place(folder / SPEC, folder, env)
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
