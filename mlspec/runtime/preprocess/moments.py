"""Dates and timestamps as texts: `2020-01-01T12:00Z` and `2020-01-01 13:00:00+01:00` are one moment.

Training, evaluation and serving all read them with this module.
"""

from __future__ import annotations

import datetime
import re

_WRITTEN = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6}0{0,3})?)?)(?: ?(Z|UTC)|([+-][0-9]{2}(?::?[0-9]{2})?))?)?"
)
_MIDNIGHT = datetime.time()


def moment(word: str) -> datetime.datetime | None:
    """The moment that a text says, in UTC where it names a time zone; a date is its midnight. None for other texts."""
    found = _WRITTEN.fullmatch(word) if word[:1].isdigit() else None
    if found is None:
        return None
    date, time, utc, offset = found.groups()
    zone = "+00:00" if utc else offset or ""
    try:
        return in_utc(datetime.datetime.fromisoformat(f"{date}T{time or '00:00'}{zone}"))
    except (ValueError, OverflowError):
        return None


def in_utc(time: datetime.datetime) -> datetime.datetime:
    """The same moment in UTC, where it has a time zone."""
    return time if time.tzinfo is None else time.astimezone(datetime.UTC)


def is_date(time: datetime.datetime) -> bool:
    """Whether it may as well be a date: midnight, in no time zone."""
    return time.tzinfo is None and time.time() == _MIDNIGHT


def spelled(time: datetime.datetime, as_date: bool = False) -> str:
    """`2020-01-01 12:00:00`, `2020-01-01 12:00:00+00:00` in UTC, or the date alone."""
    return in_utc(time).isoformat(sep=" ")[: 10 if as_date else None]


def spellings(word: str) -> tuple[str, ...]:
    """How a text that says a moment may stand in the data; none for another text."""
    time = moment(word)
    if time is None:
        return ()
    return (spelled(time), spelled(time, as_date=True)) if is_date(time) else (spelled(time),)
