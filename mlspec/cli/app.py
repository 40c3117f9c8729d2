"""The `mlspec` program: its help at once, everything else by click."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code. Without `arguments` the process is this command's alone."""
    if arguments is not None:
        return _run(arguments, list(arguments))
    gc.set_threshold(20_000)  # importing the models alone would otherwise start hundreds of collections
    code = _run(None, sys.argv[1:])
    gc.freeze()  # the process ends: a collection of everything would be an eighth of a build
    return code


def _run(arguments: Sequence[str] | None, given: Sequence[str]) -> int:
    if list(given) in (["--help"], ["-h"]) and _printed():
        return 0
    from mlspec.cli.command_line import run

    return run(arguments)


def _printed() -> bool:
    """Print the page, unless the terminal is too narrow for it or the reader has gone."""
    from mlspec.cli.help_page import NARROWEST, help_page

    columns = _columns()
    if columns < NARROWEST:
        return False
    try:
        sys.stdout.write(f"{help_page(columns)}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def _columns() -> int:
    """The width of the terminal: as COLUMNS says, or as the terminal does; 80 where there is none."""
    try:
        given = int(os.environ.get("COLUMNS", "0"))
    except ValueError:
        given = 0
    if given > 0:
        return given
    try:
        return os.get_terminal_size(sys.__stdout__.fileno() if sys.__stdout__ else 1).columns or 80
    except (OSError, ValueError):
        return 80
