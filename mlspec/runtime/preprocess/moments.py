"""Dates and timestamps in texts: `2020-01-01T12:00Z` and `2020-01-01 13:00:00+01:00` are the same time.

Used by training, evaluation and serving.
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
    """The time of a text, in UTC if it has a time zone; midnight for a date; None for other texts."""
    match = _WRITTEN.fullmatch(word) if word[:1].isdigit() else None
    if match is None:
        return None
    date, time, utc, offset = match.groups()
    zone = "+00:00" if utc else offset or ""
    try:
        return in_utc(datetime.datetime.fromisoformat(f"{date}T{time or '00:00'}{zone}"))
    except (ValueError, OverflowError):
        return None


def in_utc(time: datetime.datetime) -> datetime.datetime:
    """The same time in UTC, if it has a time zone."""
    return time if time.tzinfo is None else time.astimezone(datetime.UTC)


def is_date(time: datetime.datetime) -> bool:
    """Whether it may be a date: midnight, without a time zone."""
    return time.tzinfo is None and time.time() == _MIDNIGHT


def spelled(time: datetime.datetime, as_date: bool = False) -> str:
    """`2020-01-01 12:00:00`, `2020-01-01 12:00:00+00:00` in UTC, or only the date."""
    return in_utc(time).isoformat(sep=" ")[: 10 if as_date else None]


def spellings(word: str) -> tuple[str, ...]:
    """The possible normalised spellings of a date or timestamp; empty for other texts."""
    time = moment(word)
    if time is None:
        return ()
    return (spelled(time), spelled(time, as_date=True)) if is_date(time) else (spelled(time),)
