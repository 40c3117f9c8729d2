"""A text to a file that a person named on the command line, whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from mlspec.errors import UsageError
from mlspec.source.document import printable

_SHOWN = 100


def brief(path: str | Path) -> str:
    """A path for a message: what cannot be printed as an escape, the middle of a long one left out."""
    text = printable(str(path))
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]}...{text[-_SHOWN // 2 :]}"


def save(what: str, file: Path, text: str) -> None:
    """Write `text` to `file`. Raises UsageError where that cannot be; a folder that does not exist is not made."""
    from mlspec.job import write_text

    try:
        if file.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        file.parent.stat()
        if not file.parent.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        write_text(file, text)
    except OSError as error:
        help = "name a file in a folder that exists and that you may write to"
        raise UsageError(f"{what} cannot be written to {brief(file)}: {error.strerror}", help=help) from None
