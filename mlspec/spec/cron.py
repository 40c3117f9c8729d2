"""A schedule in cron's five fields, as GitHub Actions reads them: checked before anything waits for it."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Final, NamedTuple

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from mlspec.spec.types import shown

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
    """The values of minute, hour, day of the month, month and day of the week. ValueError says what is wrong."""
    given = text.split(" ")
    if len(given) != len(_FIELDS) or not all(given):
        raise ValueError("a schedule has five fields: minute, hour, day of the month, month, day of the week")
    found = tuple(_values(part, field) for part, field in zip(given, _FIELDS, strict=True))
    if given[4] == "*" and all(min(found[2]) > _LONGEST[month - 1] for month in found[3]):
        raise ValueError(f"there is no such day: {given[2]} in month {given[3]}")
    return found


def _values(text: str, field: _Field) -> frozenset[int]:
    return frozenset(value for part in text.split(",") for value in _range(part, field))


def _range(part: str, field: _Field) -> range:
    match = _PART.fullmatch(part)
    if match is None or (match[3] and match[1] and not match[2]):
        raise ValueError(f"`{part}` is no {field.name}")
    low = _number(match[1], field) if match[1] else field.low
    high = _number(match[2], field) if match[2] else low if match[1] else field.high
    step = int(match[3] or 1)
    if low > high or step < 1:
        raise ValueError(f"`{part}` holds no {field.name}")
    return range(low, high + 1, step)


def _number(word: str, field: _Field) -> int:
    if word.lower() in field.words:
        return field.words.index(word.lower()) + field.low
    if not word.isascii() or not word.isdigit() or not field.low <= int(word) <= field.high:
        raise ValueError(f"`{word}` is no {field.name}: {field.low} to {field.high}")
    return int(word)


def shortest_gap(text: str) -> int:
    """Minutes between the two runs that follow each other fastest within a day; 1440 for one run a day."""
    minutes, hours = moments(text)[:2]
    runs = sorted(hour * 60 + minute for hour in hours for minute in minutes)
    return min([after - before for before, after in pairwise(runs)], default=1440)


def _valid(text: str) -> str:
    try:
        moments(text)
    except ValueError as error:
        help = "for example `0 3 * * 1`: Mondays at three"
        raise PydanticCustomError("bad-schedule", "{what}", {"what": str(error), "help": help}) from None
    return text


Cron = Annotated[str, AfterValidator(_valid), shown(r"\S+(?: \S+){4}", "0 3 * * 1")]
"""When something runs, in UTC: minute, hour, day of the month, month, day of the week."""
