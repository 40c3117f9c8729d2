"""The profile of the training split to a typical value of each input, for the documentation of the served model.

Only what many rows share: the example is public wherever the endpoint is.
"""

from __future__ import annotations

from mlspec.records.profile import ColumnProfile

_SHARED = 5
"""Rows that have the most frequent category, from which on it is shown."""
_LONGEST = 60
"""Maximum length of a category, in characters."""


def typical(column: ColumnProfile) -> int | float | str | None:
    """The median of a number, to four significant digits; the most frequent category; None for texts and images."""
    if column.type == "number" and (median := column.quantiles.get("0.5")) is not None:
        value = float(f"{median:.4g}")
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if column.type == "category" and column.top:
        first = column.top[0]
        return first.value if first.count >= _SHARED and len(first.value) <= _LONGEST else None
    return None
