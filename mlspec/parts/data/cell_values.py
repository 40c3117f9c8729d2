"""Single values of a table: their text form, and every way in which a text can be interpreted."""

from __future__ import annotations

import datetime
import math
import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from typing import Literal, NamedTuple

import numpy as np

from mlspec.runtime.preprocess.moments import in_utc, moment, spelled

NUMERAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,3})?")
"""A number in its usual spelling: `7` and `7.0`, but not `007`, which is probably a code."""
TRUE, FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
WIDTH = 80
"""Maximum length of a value in an error message, in characters."""
_BYTES = 16
"""Maximum size of a binary value that an error message shows, in bytes."""
BOOLEANS = {**dict.fromkeys(TRUE, True), **dict.fromkeys(FALSE, False)}


class Reading(NamedTuple):
    """One interpretation of a value; two values with an equal reading are the same value."""

    kind: Literal["text", "number", "boolean", "moment"]
    value: object


def readings(value: object) -> tuple[Reading, ...]:
    """Every interpretation of a value, the most literal one first; empty for lists, dictionaries and infinity."""
    match value:
        case bool() | np.bool_():
            return (Reading("boolean", bool(value)),)
        case int() | float() | Decimal():
            return (Reading("number", _decimal(value)),) if isinstance(value, int) or math.isfinite(value) else ()
        case str():
            more = [Reading("number", Decimal(value))] if NUMERAL.fullmatch(value) else []
            more += [Reading("boolean", BOOLEANS[value])] if value in BOOLEANS else []
            time = moment(value)
            more += [Reading("moment", time)] if time else []
            return (Reading("text", value), *more)
        case datetime.datetime():
            return (Reading("text", text(value)), Reading("moment", in_utc(value)))
        case datetime.date():
            return (Reading("text", text(value)), Reading("moment", moment(text(value))))
        case _:
            return ()


def _decimal(value: int | float | Decimal) -> Decimal:
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def missing(value: object) -> bool:
    """Whether the value is missing in every format: null, NaN, the empty string."""
    return value is None or (isinstance(value, float) and math.isnan(value)) or value == ""


def text(value: object) -> str:
    """A value as text: 1.0 is `1`, True is `true`, a timestamp is `2020-01-01 12:00:00`."""
    match value:
        case bool() | np.bool_():
            return str(bool(value)).lower()
        case float() if value.is_integer():
            return str(int(value))
        case datetime.datetime():
            return spelled(value)
        case datetime.date():
            return value.isoformat()
        case _:
            return str(value)


def textual(value: object, kind: str) -> bool:
    """Whether a value has one usual text form, which a client of the model would send too."""
    if isinstance(value, bool) or (isinstance(value, float) and value.is_integer()):
        return kind == "category"
    return isinstance(value, str | int | datetime.date | Decimal)


def alike(word: str) -> str:
    """The text without differences that are hard to see: case, surrounding spaces, invisible characters."""
    seen = "".join(char for char in word if unicodedata.category(char) != "Cf")
    return unicodedata.normalize("NFKC", seen).strip().casefold()


def escaped(word: str) -> str:
    """A text with escapes in place of non-printable characters."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in word)


def shown(value: object) -> str:
    """A value in a message, in backticks, so that spaces are visible.

    A text with a backtick, with non-printable characters or with quotes around it is written as a Python literal.
    """
    word = value if isinstance(value, str) else text(value)
    quoted = len(word) > 1 and word[0] == word[-1] and word[0] in "'\""
    return f"`{word!r}`" if quoted or "`" in word or not word.isprintable() else f"`{word}`"


def listed(values: Iterable[object], most: int = 5) -> str:
    """The first `most` values, and how many more there are."""
    every = list(values)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(shown(value) for value in every[:most]) + more


def brief(value: object) -> str:
    """A value for a message about its row, truncated to WIDTH characters."""
    match value:
        case None:
            return "(missing)"
        case bytes() if len(value) > _BYTES:
            return f"({len(value):,} bytes)"
        case datetime.date() | datetime.time() | datetime.timedelta() | Decimal():
            shown = text(value)
        case _:
            shown = repr(value)
    return shown if len(shown) <= WIDTH else shown[: WIDTH - 3] + "..."
