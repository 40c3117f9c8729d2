"""Names of labels and columns: their length limit, and that they are one line."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Final

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

LONGEST: Final = 200
"""Characters of a name: it appears in tables, reports, metric names and responses."""
LONGEST_VALUE: Final = 1000
"""Characters of a category or of a value in `target.values`: they appear in the schema and the profile."""
RENAME: Final = "rename the column, here and in the data, to a short name on one line"
_SHOWN = 40


def fault(name: str) -> str:
    """Why a text cannot be the name of a label or a column; `""` where it can."""
    if not name:
        return "is empty"
    if len(name) > LONGEST:
        return too_long(name, LONGEST)
    odd = next((char for char in name if unicodedata.category(char) in ("Cc", "Zl", "Zp")), None)
    return f"contains the character {odd!a}; a name is one line of text" if odd else ""


def too_long(text: str, most: int) -> str:
    """The part of a message about a text of more than `most` characters."""
    return f"has {len(text):,} characters, the limit is {most:,} (it begins with `{_start(text)}`)"


def _start(name: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in name[:_SHOWN]) + "..."


def _checked(name: str) -> str:
    if wrong := fault(name):
        raise PydanticCustomError("bad-format", "a column name {wrong}", {"wrong": wrong, "help": RENAME})
    return name


Name = Annotated[str, AfterValidator(_checked)]
"""The name of a column."""
