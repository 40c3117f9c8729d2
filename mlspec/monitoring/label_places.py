"""Where a row of labels stands: the file and the line, where its format has lines."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from mlspec.monitoring.duckdb_session import QueryLimits, quoted_text, session

_TEXT: Final = (".csv", ".tsv")
_LINES: Final = (".jsonl", ".ndjson")
_LONGEST: Final = 2**27
"""Characters of the longest field."""


@dataclass(frozen=True, slots=True)
class LabelPlace:
    """A row of a source, from 1, and its line in a file of lines."""

    source: str
    row: int
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.source}, row {self.row}" if self.line is None else f"{self.source}:{self.line}"

    @property
    def within(self) -> str:
        """The place without its source."""
        return f"row {self.row}" if self.line is None else f"line {self.line}"


class LabelFile:
    """A file with that many rows of labels; its lines are found when one is needed first."""

    def __init__(self, path: Path, name: str, rows: int) -> None:
        self.rows = rows
        self._path, self._name = path, name
        self._lines: list[int] | None = None

    def place(self, row: int) -> LabelPlace:
        """The place of a row, from 1."""
        if self._lines is None:
            self._lines = list(_lines(self._path))
        known = len(self._lines) == self.rows  # else the file is not read as DuckDB reads it
        return LabelPlace(self._name, row, self._lines[row - 1] if known else None)


def _lines(path: Path) -> Iterator[int]:
    """The line, from 1, at which each row of a file begins; nothing for a file without lines."""
    suffix = path.suffix.lower()
    if suffix in _LINES:
        with path.open("rb") as file:
            yield from (number for number, line in enumerate(file, 1) if line.strip())
    elif suffix in _TEXT:
        delimiter, quote, skipped = _dialect(path, suffix)
        csv.field_size_limit(_LONGEST)
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as text:
            for _ in range(skipped):
                next(text, None)
            reader = csv.reader(text, delimiter=delimiter, quotechar=quote or None, quoting=0 if quote else 3)
            begins, header = 1, True
            for fields in reader:
                if fields and not header:
                    yield begins + skipped
                header = header and not fields
                begins = reader.line_num + 1


def _dialect(path: Path, suffix: str) -> tuple[str, str, int]:
    """Delimiter, quote (or nothing) and skipped lines of a file, as DuckDB finds them."""
    given = ", delim = '\t'" if suffix == ".tsv" else ""
    query = f"SELECT Delimiter, Quote, SkipRows FROM sniff_csv({quoted_text(str(path))}{given})"
    try:
        with session(QueryLimits()) as connection:
            row = connection.execute(query).fetchone()
    except duckdb.Error:
        row = None
    delimiter, quote, skipped = row or (",", '"', 0)
    return str(delimiter), str(quote) if len(str(quote)) == 1 else "", int(skipped)
