"""A bug of mlspec's own: a report to paste into an issue goes to a file, and no traceback to the screen."""

from __future__ import annotations

import platform
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

import mlspec
from mlspec.cli.console import Console
from mlspec.errors import EXIT_BUG, MlspecError


class _BugError(MlspecError):
    exit_code = EXIT_BUG


def report(console: Console, error: BaseException, arguments: Sequence[str]) -> Path:
    """Write the report and say where it lies."""
    text = "\n".join(
        [
            f"mlspec {mlspec.__version__}, Python {platform.python_version()}, {platform.platform()}",
            f"command: mlspec {' '.join(arguments)}",
            "",
            "".join(traceback.format_exception(error)),
        ]
    )
    folder = Path(".mlspec")
    try:
        path = (folder if folder.is_dir() else Path(tempfile.gettempdir())) / "bug.txt"
        path.write_text(text, encoding="utf-8")
    except OSError:
        sys.stderr.write(text)
        path = Path("(above)")
    message = f"this is a bug in mlspec: {type(error).__name__}: {error}"
    console.failure(_BugError(message, help=f"please report it with the contents of {path}"))
    return path
