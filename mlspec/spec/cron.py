"""A cron schedule with five fields, as GitHub Actions reads it."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Final, NamedTuple

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from mlspec.spec.types import schema_pattern

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class _Field(NamedTuple):
    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()


_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 6, _DAYS),
)
_PART = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\d{1,2}))?")


def moments(text: str) -> tuple[frozenset[int], ...]:
    """The values of minute, hour, day of the month, month and day of the week. Raises ValueError."""
    parts = text.split(" ")
    if len(parts) != len(_FIELDS) or not all(parts):
        raise ValueError("a schedule has five fields: minute, hour, day of the month, month, day of the week")
    values = tuple(_values(part, field) for part, field in zip(parts, _FIELDS, strict=True))
    if parts[4] == "*" and all(min(values[2]) > _LONGEST[month - 1] for month in values[3]):
        raise ValueError(f"day {parts[2]} does not exist in month {parts[3]}")
    return values


def _values(text: str, field: _Field) -> frozenset[int]:
    return frozenset(value for part in text.split(",") for value in _range(part, field))


def _range(part: str, field: _Field) -> range:
    match = _PART.fullmatch(part)
    if match is None or (match[3] and match[1] and not match[2]):
        raise ValueError(f"`{part}` is not a valid {field.name}")
    low = _number(match[1], field) if match[1] else field.low
    high = _number(match[2], field) if match[2] else low if match[1] else field.high
    step = int(match[3] or 1)
    if low > high or step < 1:
        raise ValueError(f"`{part}` does not contain a {field.name}")
    return range(low, high + 1, step)


def _number(word: str, field: _Field) -> int:
    if word.lower() in field.words:
        return field.words.index(word.lower()) + field.low
    if not word.isascii() or not word.isdigit() or not field.low <= int(word) <= field.high:
        raise ValueError(f"`{word}` is not a valid {field.name} ({field.low} to {field.high})")
    return int(word)


def shortest_gap(text: str) -> int:
    """The shortest time between two runs of a day in minutes; 1440 for one run a day."""
    minutes, hours = moments(text)[:2]
    runs = sorted(hour * 60 + minute for hour in hours for minute in minutes)
    return min([after - before for before, after in pairwise(runs)], default=1440)


def _valid(text: str) -> str:
    try:
        moments(text)
    except ValueError as error:
        help = "for example `0 3 * * 1`: every Monday at 03:00 UTC"
        raise PydanticCustomError("bad-schedule", "{what}", {"what": str(error), "help": help}) from None
    return text


Cron = Annotated[str, AfterValidator(_valid), schema_pattern(r"\S+(?: \S+){4}", "0 3 * * 1")]
"""A schedule in UTC: minute, hour, day of the month, month, day of the week."""
