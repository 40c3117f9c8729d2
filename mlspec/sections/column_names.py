"""Names of labels and columns: how long they may be, and that they are one line."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Final

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

LONGEST: Final = 200
"""Characters of a name: it stands in tables of the terminal and the report, in metrics' labels and in responses."""
LONGEST_VALUE: Final = 1000
"""Characters of a category, and of a value that the spec gives a label: they stand in the schema and the profile."""
RENAME: Final = "give the column a short name on one line, here and in the data"
_SHOWN = 40


def fault(name: str) -> str:
    """Why a text cannot be the name of a label or a column; `""` where it can."""
    if not name:
        return "is empty"
    if len(name) > LONGEST:
        return too_long(name, LONGEST)
    odd = next((char for char in name if unicodedata.category(char) in ("Cc", "Zl", "Zp")), None)
    return f"has the character {odd!a}; a name is one line of text" if odd else ""


def too_long(text: str, most: int) -> str:
    """What a message says of a text of more than `most` characters."""
    return f"has {len(text):,} characters, the limit is {most:,} (it begins with `{_start(text)}`)"


def _start(name: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in name[:_SHOWN]) + "..."


def _checked(name: str) -> str:
    if wrong := fault(name):
        raise PydanticCustomError("bad-format", "the name of a column {wrong}", {"wrong": wrong, "help": RENAME})
    return name


Name = Annotated[str, AfterValidator(_checked)]
"""The name of a column."""
