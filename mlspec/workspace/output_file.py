"""Writes a text to a file named on the command line, atomically."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from mlspec.errors import UsageError
from mlspec.source.document import printable

_SHOWN = 100


def brief(path: str | Path) -> str:
    """A path for a message: unprintable characters escaped, a long one without its middle."""
    text = printable(str(path))
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]}...{text[-_SHOWN // 2 :]}"


def save(what: str, file: Path, text: str) -> None:
    """Write `text` to `file`. Raises UsageError, also if the folder does not exist."""
    from mlspec.job import write_text

    try:
        if file.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        file.parent.stat()
        if not file.parent.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        write_text(file, text)
    except OSError as error:
        help = "name a file in an existing, writable folder"
        raise UsageError(f"cannot write {what} to {brief(file)}: {error.strerror}", help=help) from None
