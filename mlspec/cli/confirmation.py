"""Asking before a command changes something."""

from __future__ import annotations

import os
import sys

from mlspec.cli.console import Console
from mlspec.errors import UsageError


def confirmed(console: Console, question: str, *, alternative: str = "", in_ci: bool = True) -> bool:
    """Whether the user agrees; in CI without asking where `in_ci` says so.

    Raises UsageError where stdin is not a terminal: `alternative` is what else than --yes the user can do.
    """
    if in_ci and os.environ.get("CI"):
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        message = "cannot ask for confirmation: stdin is not a terminal"
        raise UsageError(message, help=f"add --yes to confirm{alternative}")
    return console.confirm(question)
