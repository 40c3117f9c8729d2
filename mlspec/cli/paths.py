"""Paths on the command line: which may be given at all, and a text to one of them, whole or not at all."""

from __future__ import annotations

import errno
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from mlspec.errors import UsageError
from mlspec.source.document import printable

_SHOWN = 100


if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType  # which older releases of click do not let be subscripted


class PathType(_ParamType):
    """A path as text, or as what `made` makes of it. One that no file can have is a wrong use of the option."""

    name = "path"

    def __init__(self, made: Callable[[str], Any] = str) -> None:
        self.made = made

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path. Fails for one that is empty, has a control character, is too long, or leads through a link loop."""
        text = str(value)
        if reason := fault(text):
            self.fail(f"the path `{brief(text)}` {reason}", param, ctx)
        return self.made(text)


PATH: Final = PathType()


def fault(text: str) -> str:
    """Why no file can have the path `text`, as a sentence part; empty where one can."""
    if not text:
        return "is empty"
    if hidden := next((char for char in text if unicodedata.category(char) == "Cc"), ""):
        return f"has the control character U+{ord(hidden):04X}"
    try:
        Path(text).stat()
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            return f"cannot be used: {error.strerror}"
    return ""


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
