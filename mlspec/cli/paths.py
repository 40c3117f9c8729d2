"""Paths on the command line: which may be given at all."""

from __future__ import annotations

import errno
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from mlspec.workspace.output_file import brief

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType  # which older releases of click do not let be subscripted


class PathType(_ParamType):
    """A path as text, or as what `convert_to` makes of it. A path that no file can have is a usage error."""

    name = "path"

    def __init__(self, convert_to: Callable[[str], Any] = str) -> None:
        self.convert_to = convert_to

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path. Fails for one that is empty, has a control character, is too long, or leads through a link loop."""
        text = str(value)
        if reason := fault(text):
            self.fail(f"the path `{brief(text)}` {reason}", param, ctx)
        return self.convert_to(text)


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
