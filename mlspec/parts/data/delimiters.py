"""The delimiter that a text file has, where it is not the one that it is read with."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from mlspec.parts.data.quotes import Dialect, reader

DELIMITERS = (";", "\t", "|", ",")
_ROWS = 100
"""Rows that are compared with another delimiter."""


def of_header(line: str, needed: Collection[str], dialect: Dialect) -> str | None:
    """The delimiter with which the header has a needed name; None if it has one as it is read."""
    if _has(line, needed, dialect):
        return None
    return next((other.delimiter for other in _others(dialect) if _has(line, needed, other)), None)


def of_rows(rows: Iterable[str], width: int, dialect: Dialect) -> str | None:
    """The delimiter with which every row has `width` values."""
    some = [row for row, _ in zip(rows, range(_ROWS), strict=False)]
    fits = (other for other in _others(dialect) if all(len(_values(row, other)) == width for row in some))
    return next((other.delimiter for other in fits), None) if width > 1 and some else None


def help_for(delimiter: str) -> str:
    """The edit of the spec that sets it."""
    quoted = '"\\t"' if delimiter == "\t" else f'"{delimiter}"'
    return f"the delimiter is {quoted}: `data: {{format: {{delimiter: {quoted}}}}}`"


def _others(dialect: Dialect) -> Iterator[Dialect]:
    return (replace(dialect, delimiter=sign) for sign in DELIMITERS if sign != dialect.delimiter)


def _has(line: str, needed: Collection[str], dialect: Dialect) -> bool:
    return any(name.strip() in needed for name in _values(line, dialect))


def _values(line: str, dialect: Dialect) -> list[str]:
    return next(iter(reader([line], dialect)), [])
