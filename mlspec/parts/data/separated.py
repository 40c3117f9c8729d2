"""csv and tsv files to rows; rows with too many or too few columns become failures of single rows."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from mlspec.errors import StageError
from mlspec.parts.data import delimiters
from mlspec.parts.data.file_contents import contents, in_utf8, text_lines
from mlspec.parts.data.missing_values import words
from mlspec.parts.data.quotes import Dialect, reader, well_quoted
from mlspec.parts.data.raw_rows import Failure, Piece, RowPlace
from mlspec.parts.data.row_widths import Row, every_row, some_rows
from mlspec.records.decisions import Decision
from mlspec.sections.data import DataSpec

BLOCK = 16 * 1024 * 1024
"""Bytes parsed at a time; also the maximum length of a row, unless the whole file is parsed at once."""
_ALL = 2**31 - 2
_FIRST = 4096
"""Bytes at the start of the file in which the first line is searched."""
_SEP = re.compile(r'"?sep=(.)"?\r?\n', re.IGNORECASE)
"""A first line that declares the separator for Excel."""


@dataclass(frozen=True, slots=True)
class _Parsed:
    table: pa.Table
    bad: dict[int, Row]
    """Rows with the wrong number of columns, by their number from 1."""


def read(data: DataSpec, file: Path, name: str) -> Piece:
    """The rows of one file. Raises ArrowException or StageError if it cannot be parsed."""
    unpacked = contents(file, name)
    whole = in_utf8(unpacked.raw, name, data.format.encoding)
    announced = _SEP.match(_text(whole[:_FIRST]))
    raw = whole[len(announced[0].encode()) :] if announced else whole
    if not _text(raw[:_FIRST]).strip() and not _text(raw).strip():
        raise StageError(f"{name} is empty", help="set data.source to a file with rows")
    dialect = dialect_of(data, announced[1] if announced else "")
    _delimited(data, raw, name, dialect)
    parsed = _decided(data, _trimmed(_text(raw), dialect).encode() if data.format.trim else raw, name, dialect)
    well_quoted(data, raw, name, dialect, 1 + (announced is not None))
    if parsed.bad and not parsed.table.num_rows:
        first = next(iter(parsed.bad.values()))
        message = f"{name} has {first.actual} columns in every row, not {first.expected}"
        raise StageError(message, help=every_row(data, parsed.table.column_names, parsed.bad.values(), dialect))
    rows = range(1, parsed.table.num_rows + len(parsed.bad) + 1)
    numbers = [number for number in rows if number not in parsed.bad] if parsed.bad else rows
    decisions = (*unpacked.decisions, *_decisions(announced is not None, dialect))
    begins = _line_numbers(data, whole, announced is not None, len(rows))
    if parsed.bad:
        begins = [line for number, line in enumerate(begins, start=1) if number not in parsed.bad]
    return Piece(
        name,
        _with_nulls(data, parsed.table),
        numbers,
        tuple(_unread(name, parsed, dialect)),
        decisions=decisions,
        lines=begins if len(begins) == len(numbers) else (),
    )


def _delimited(data: DataSpec, raw: bytes, name: str, dialect: Dialect) -> None:
    """Raise StageError if the header has the columns of the spec with another delimiter only."""
    if not has_header(data) or data.format.columns is not None:
        return
    needed = _declared(data)
    line = next(iter(_text(raw[: raw.find(b"\n") + 1] or raw[:BLOCK]).splitlines()), "")
    delimiter = delimiters.of_header(line, needed, dialect)
    if delimiter is not None:
        raise StageError(f"{name} has no column `{needed[0]}`", help=delimiters.help_for(delimiter))


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _decisions(announced: bool, dialect: Dialect) -> Iterator[Decision]:
    if announced:
        yield Decision(
            "columns", f"separated by `{dialect.delimiter}`, as declared in the first line", "data.format.delimiter"
        )


def has_header(data: DataSpec) -> bool:
    """Whether the first line contains column names."""
    return data.format.columns is None if data.format.header is None else data.format.header


def dialect_of(data: DataSpec, announced: str = "") -> Dialect:
    """The dialect of the spec; `announced` is the separator that the file declares."""
    tabs = data.written_as == "tsv"
    quoting = data.format.quoting if data.format.quoting is not None else not tabs
    return Dialect(data.format.delimiter or announced or ("\t" if tabs else ","), quoting, data.format.escape or "")


def _trimmed(text: str, dialect: Dialect) -> str:
    """The same rows without spaces around their values, in the same dialect."""
    out = io.StringIO()
    if dialect.quoting:
        writer = csv.writer(out, delimiter=dialect.delimiter, escapechar=dialect.escape or None, lineterminator="\n")
        writer.writerows([v.strip() for v in row] for row in reader(io.StringIO(text, newline=""), dialect, trim=True))
        return out.getvalue()
    for line in io.StringIO(text, newline=None):
        line = line.removesuffix("\n")
        out.write(dialect.delimiter.join(value.strip() for value in line.split(dialect.delimiter)) + "\n")
    return out.getvalue()


def _decided(data: DataSpec, raw: bytes, name: str, dialect: Dialect) -> _Parsed:
    """The parsed rows. Raises StageError if another dialect is just as plausible."""
    parsed = _parsed(data, raw, dialect)
    if data.format.escape is None and dialect.quoting and b'\\"' in raw:
        other = _tried(data, raw, replace(dialect, escape="\\"))
        if other is not None and not other.bad and not _same(parsed, other):
            line = 1 + raw.count(b"\n", 0, raw.index(b'\\"'))
            raise StageError(
                f'{name} line {line}: `\\"` may be an escaped quote or a backslash at the end of a value',
                help=r"""escaped quote: `data: {format: {escape: '\'}}`; backslash: `data: {format: {escape: ""}}`""",
                code="ambiguous-quotes",
            )
    if data.format.quoting is None and not dialect.quoting and b'"' in raw:
        _unquoted(data, raw, name, dialect, parsed)
    return parsed


def _unquoted(data: DataSpec, raw: bytes, name: str, dialect: Dialect, parsed: _Parsed) -> None:
    """Raise StageError if all quotes of a tsv file could enclose values."""
    line = _first_quoted(_text(raw), dialect.delimiter)
    if line == 0:
        return
    other = _tried(data, raw, replace(dialect, quoting=True))
    if other is not None and not other.bad and not _same(parsed, other):
        raise StageError(
            f"{name} line {line}: the quotes may enclose the value or be part of it",
            help="if they enclose it: `data: {format: {quoting: true}}`; "
            "if they are part of it: `data: {format: {quoting: false}}`",
            code="ambiguous-quotes",
        )


def _first_quoted(text: str, delimiter: str) -> int:
    """The line of the first quoted value, counted from 1; 0 without quotes, or if a quote cannot enclose a value."""
    if '"' not in text:
        return 0
    quoted = re.compile(
        rf'(?:^|{re.escape(delimiter)})("(?:[^"]|"")*"(?=\r?$|{re.escape(delimiter)}))?("?)', re.MULTILINE
    )
    first = 0
    for match in quoted.finditer(text):
        if match[1]:
            first = first or 1 + text[: match.start(1)].count("\n")
        elif match[2]:
            return 0
    return first


def _same(one: _Parsed, other: _Parsed) -> bool:
    return bool(one.bad == other.bad and one.table.equals(other.table))


def _tried(data: DataSpec, raw: bytes, dialect: Dialect) -> _Parsed | None:
    try:
        return _parsed(data, raw, dialect)
    except pa.ArrowException:
        return None


def _parsed(data: DataSpec, raw: bytes, dialect: Dialect) -> _Parsed:
    header = has_header(data)
    bad: dict[int, Row] = {}

    def skip(row: pyarrow.csv.InvalidRow) -> str:
        bad[row.number - header] = Row(row.expected_columns, row.actual_columns, row.text)
        return "skip"

    table = pyarrow.csv.read_csv(
        pa.BufferReader(raw),
        read_options=pyarrow.csv.ReadOptions(
            column_names=data.format.columns,
            use_threads=False,
            block_size=BLOCK if len(raw) > _ALL else max(BLOCK, len(raw)),
            skip_rows_after_names=1 if header and data.format.columns is not None else 0,
        ),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=dialect.delimiter,
            quote_char='"' if dialect.quoting else False,
            double_quote=dialect.quoting,
            escape_char=dialect.escape or False,
            newlines_in_values=dialect.quoting,
            invalid_row_handler=skip,
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(_declared(data), pa.string()),
            null_values=sorted(words(data, "")),
            strings_can_be_null=False,
            decimal_point=data.format.decimal or ".",
        ),
    )
    return _Parsed(table, bad)


def _declared(data: DataSpec) -> Sequence[str]:
    """Columns that are read as text: their types come from the spec, not from pyarrow's inference."""
    return [*data.columns, data.target.column]


def _with_nulls(data: DataSpec, table: pa.Table) -> pa.Table:
    """The table with null for empty texts, and for `format.nulls` in columns that the spec does not declare."""
    stay = {name for name, spec in data.columns.items() if spec.type != "image"} | {data.target.column}
    for index, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            absent = [""] if field.name in stay else sorted(words(data, field.name))
            column = table.column(index)
            missing = pc.is_in(column, value_set=pa.array(absent, pa.string()))
            if not pc.any(missing).as_py():
                continue
            table = table.set_column(index, field.name, pc.if_else(missing, pa.scalar(None, pa.string()), column))
    return table


def _unread(name: str, parsed: _Parsed, dialect: Dialect) -> Iterator[Failure]:
    kinds: dict[tuple[str, str], list[RowPlace]] = {}
    for number, row in sorted(parsed.bad.items()):
        what = f"have {row.actual} columns, not {row.expected}"
        help = some_rows(parsed.table.column_names, row, dialect)
        kinds.setdefault((what, help), []).append(RowPlace(name, number, row.text))
    for (what, help), places in kinds.items():
        yield Failure("rows", what, places, help)


def lines(data: DataSpec, file: Path) -> Iterator[int]:
    """The line on which each row of the file begins, counted from 1."""
    yield from _begins(data, text_lines(file, file.name, data.format.encoding).getvalue())


def _line_numbers(data: DataSpec, whole: bytes, announced: bool, rows: int) -> Sequence[int]:
    """The line on which each row begins."""
    ends = whole.count(b"\n") + whole.count(b"\r") - whole.count(b"\r\n") + (not whole.endswith((b"\n", b"\r")))
    first = 1 + announced + has_header(data)
    if ends == rows + first - 1:  # each row is a line: none is blank, and no value has several
        return range(first, first + rows)
    return list(_begins(data, _text(whole)))


def _begins(data: DataSpec, text: str) -> Iterator[int]:
    announced = _SEP.match(text)
    opened = io.StringIO(text[announced.end() :] if announced else text, newline="")
    skipped = not has_header(data)
    dialect = dialect_of(data, announced[1] if announced else "")
    for begins, row in _counted(opened, dialect):
        blank = not row or (data.format.trim and not dialect.quoting and len(row) == 1 and not row[0].strip())
        if not blank and skipped:
            yield begins + (1 if announced else 0)
        skipped = skipped or not blank


def _counted(opened: io.StringIO, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line on which each begins."""
    rows = reader(opened, dialect)
    begins = 1
    for row in rows:
        yield begins, row
        begins = rows.line_num + 1
