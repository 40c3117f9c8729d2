"""Single values of a table: as text, as number, and what may be read into a text."""

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
"""A number in its usual spelling: `7` and `7.0`, but not `007`, which may well be a code."""
TRUE, FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
WIDTH = 80
"""Characters of a value that are shown in a message about its row."""
_BYTES = 16
"""Bytes up to which they are shown."""
BOOLEANS = {**dict.fromkeys(TRUE, True), **dict.fromkeys(FALSE, False)}


class Reading(NamedTuple):
    """One way in which a value can be understood; equal readings of two values make them the same."""

    kind: Literal["text", "number", "boolean", "moment"]
    value: object


def readings(value: object) -> tuple[Reading, ...]:
    """Every way to understand a value, the most literal one first; none for lists, dictionaries and infinity."""
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
    """Whether it stands for no value in every format: null, NaN, the empty text."""
    return value is None or (isinstance(value, float) and math.isnan(value)) or value == ""


def text(value: object) -> str:
    """A value as a csv file has it: 1.0 is `1`, True is `true`, a timestamp `2020-01-01 12:00:00`."""
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
    """Whether a value has one spelling that a client of the model would use too."""
    if isinstance(value, bool) or (isinstance(value, float) and value.is_integer()):
        return kind == "category"
    return isinstance(value, str | int | datetime.date | Decimal)


def alike(word: str) -> str:
    """What a person sees of a text, without case, spaces around it and characters that are not seen."""
    seen = "".join(char for char in word if unicodedata.category(char) != "Cf")
    return unicodedata.normalize("NFKC", seen).strip().casefold()


def escaped(word: str) -> str:
    """A text with escapes for the characters that are not seen."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in word)


def shown(value: object) -> str:
    """A value in a message: with backticks around it, so that spaces are seen.

    A text that could be taken for another, or for the end of itself, stands in quotes, with escapes as Python has them:
    one with a backtick, with characters that are not seen, or within quotes of its own.
    """
    word = value if isinstance(value, str) else text(value)
    quoted = len(word) > 1 and word[0] == word[-1] and word[0] in "'\""
    return f"`{word!r}`" if quoted or "`" in word or not word.isprintable() else f"`{word}`"


def listed(values: Iterable[object], most: int = 5) -> str:
    """The first few values, and how many more there are."""
    every = list(values)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(shown(value) for value in every[:most]) + more


def brief(value: object) -> str:
    """A value as a message about its row shows it, cut off where it is long."""
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
