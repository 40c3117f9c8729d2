"""The quotes of a csv file: every opening quote is closed, and no text follows a closing quote."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlspec.errors import StageError
from mlspec.sections.data import DataSpec

if TYPE_CHECKING:
    from _csv import Reader

_END = "end of the file"
_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)?")


@dataclass(frozen=True, slots=True)
class Dialect:
    """The delimiter, quoting and escape character of a csv file."""

    delimiter: str
    quoting: bool
    escape: str = ""


def _row(delimiter: bytes) -> re.Pattern[bytes]:
    """A pattern of a row in which quotes only enclose whole values."""
    sign = re.escape(delimiter)
    field = rb'(?:"(?:[^"]++|"")*+"|[^"\r\n' + sign + rb"]*+)"
    return re.compile(field + rb"(?:" + sign + field + rb")*+(?:\r\n|\r|\n)")


def reader(lines: Iterable[str], dialect: Dialect, trim: bool = False, strict: bool = False) -> Reader:
    """A csv reader of the lines in that dialect."""
    csv.field_size_limit(2**31 - 1)
    return csv.reader(
        lines,
        delimiter=dialect.delimiter,
        quoting=csv.QUOTE_MINIMAL if dialect.quoting else csv.QUOTE_NONE,
        escapechar=dialect.escape or None,
        doublequote=dialect.quoting,
        skipinitialspace=trim,
        strict=strict,
    )


def well_quoted(data: DataSpec, raw: bytes, name: str, dialect: Dialect, first: int) -> None:
    """Raise StageError for an unclosed quote, and for text after a closing quote.

    A reader that accepts them drops quotes, or reads the next rows as part of the value. With `escape: ""` text after a
    closing quote is allowed.
    """
    if not dialect.quoting or b'"' not in raw:
        return
    trim, strict = bool(data.format.trim), data.format.escape != ""
    row = None if trim or len(dialect.delimiter.encode()) > 1 else _row(dialect.delimiter.encode())
    lines = _QuotedLines(_unpadded(raw, dialect.delimiter) if trim else raw, bool(dialect.escape), strict, row)
    last = [_END]
    what = "a quote is never closed, so the rest of the file would be one value"
    try:
        for last in reader(lines, dialect, trim, strict):  # noqa: B007 - read behind the loop
            lines.between = True
    except csv.Error as error:
        what = what if "unexpected end" in str(error) else "text follows the closing quote of a value"
    else:
        if strict or last == [_END]:
            return
    raise StageError(
        f"{name} line {lines.begins + first}: {what}",
        help="double each quote inside a quoted value; if quotes are ordinary characters in this file: "
        "`data: {format: {quoting: false}}`",
        code="ambiguous-quotes",
    )


class _QuotedLines(Iterator[str]):
    """The lines of a file for the csv module; the caller sets `between` at the end of each row.

    Unless `every` is set, rows without quotes and rows that match `row` are skipped.
    """

    def __init__(self, raw: bytes, every: bool, strict: bool, row: re.Pattern[bytes] | None) -> None:
        self._raw, self._every, self._ended, self._row = raw, every, strict, row
        self._at = self._count = 0
        self.begins = 0
        """The number of lines before the current row."""
        self.between = True

    def __next__(self) -> str:
        if self.between:
            self._skip()
        if self._at >= len(self._raw) and self._ended:
            raise StopIteration
        self.begins, self.between = (self._count if self.between else self.begins), False
        if self._at < len(self._raw):
            line = self._raw[self._at : self._line_end()]
            self._at, self._count = self._at + len(line), self._count + 1
            text = line.decode("utf-8", "replace")
            return text if self._ended or text.endswith(("\r", "\n")) else f"{text}\n"
        self._ended = True
        return _END

    def _line_end(self) -> int:
        line = _LINE.match(self._raw, self._at)
        return line.end() if line else len(self._raw)

    def _skip(self) -> None:
        """Skip to the next row that has to be checked."""
        if self._every:
            return
        raw, at = self._raw, self._at
        while (quote := raw.find(b'"', at)) >= 0:
            at = 1 + max(at - 1, raw.rfind(b"\n", at, quote), raw.rfind(b"\r", at, quote))
            whole = self._row.match(raw, at) if self._row else None
            if whole is None:
                break
            at = whole.end()
        else:
            at = len(raw)
        start, self._at = self._at, at
        self._count += raw.count(b"\n", start, at) + raw.count(b"\r", start, at) - raw.count(b"\r\n", start, at)


def _unpadded(raw: bytes, delimiter: str) -> bytes:
    """The text without spaces between a closing quote and the end of its value."""
    sign = re.escape(delimiter)
    text = raw.decode("utf-8", "replace")
    return re.sub(rf'"[^\S\r\n{sign}]+(?=[\r\n]|{sign}|\Z)', '"', text).encode()
