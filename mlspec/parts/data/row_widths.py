"""The help for rows of a csv file with more or fewer values than the header has names."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mlspec.parts.data import delimiters
from mlspec.parts.data.cell_values import shown
from mlspec.parts.data.quotes import Dialect, reader
from mlspec.sections.data import DataSpec

GENERAL = "check data.format: columns, delimiter, quoting"


class Row(NamedTuple):
    """A row with the wrong number of values: the expected number, the actual number, and the text."""

    expected: int
    actual: int
    text: str


def every_row(data: DataSpec, names: Sequence[str], rows: Iterable[Row], dialect: Dialect) -> str:
    """The help if all rows have a different number of values than the header has names.

    Spreadsheets sometimes write trailing separators only in the header, or only in the rows.
    """
    bad = list(rows)
    if (delimiter := delimiters.of_rows((row.text for row in bad), len(names), dialect)) is not None:
        return delimiters.help_for(delimiter)
    widths = {row.actual for row in bad}
    width = max(widths)
    unnamed = all(not name.strip() for name in names[width:])
    if data.format.columns is not None or len(widths) != 1 or not unnamed:
        return GENERAL
    if not all(_empty_behind(row.text, len(names), dialect) for row in bad if width > len(names)):
        return f"name all {width} columns: `data: {{format: {{header: true, columns: [...]}}}}`"
    padded = [*names[:width], *[""] * (width - len(names))]
    filled = [name if name.strip() else f"unnamed_{number}" for number, name in enumerate(padded, start=1)]
    if len(set(filled)) < len(filled):  # a list of columns in the spec may not repeat one
        return GENERAL
    listed = ", ".join(json.dumps(name, ensure_ascii=False) for name in filled)
    return f"name the columns that the rows have: `data: {{format: {{header: true, columns: [{listed}]}}}}`"


def some_rows(names: Sequence[str], row: Row, dialect: Dialect) -> str:
    """The help for such a row if other rows are as wide as the header; empty if the cause is unknown."""
    if row.actual < row.expected and not any(name.strip() for name in names[row.actual :]):
        count = row.expected - row.actual
        last = names[row.actual - 1]
        return f"delete the {_columns(count)} without a name after {shown(last)} from the header and from every row"
    if row.actual > row.expected and _empty_behind(row.text, row.expected, dialect):
        return f"delete the trailing separators of these rows, so that each has {_columns(row.expected)}"
    return ""


def _columns(count: int) -> str:
    return f"{count} column{'s' if count != 1 else ''}"


def _empty_behind(text: str, count: int, dialect: Dialect) -> bool:
    """Whether all values of a row after the first `count` are empty."""
    values = next(iter(reader([text], dialect)), [])
    return len(values) > count and not any(value.strip() for value in values[count:])
