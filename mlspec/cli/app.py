"""The `mlspec` program: its help and its version at once, everything else by click."""

from __future__ import annotations

import os
import sys


def main(arguments: list[str] | tuple[str, ...] | None = None) -> int:
    """Run the command line and return its exit code. Without `arguments` the process is this command's alone."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given in (["--help"], ["-h"], ["--version"]) and _printed(given[0]):
        return 0
    from mlspec.cli.command_line import run

    return run(arguments)


def _printed(option: str) -> bool:
    """Print what the option asks for, unless the terminal is too narrow for the page or the reader has gone."""
    from mlspec import __version__
    from mlspec.cli.help_page import NARROWEST, help_page

    columns = _columns()
    if columns < NARROWEST and option != "--version":
        return False
    try:
        sys.stdout.write(f"mlspec {__version__}\n" if option == "--version" else f"{help_page(columns)}\n")
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
