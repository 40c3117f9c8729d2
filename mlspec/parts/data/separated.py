"""csv and tsv files to rows; lines with too many or too few columns are noted, not fatal."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from mlspec.errors import StageError
from mlspec.parts.data.encoding import decodable
from mlspec.parts.data.raw import Failure, Piece, Place
from mlspec.parts.data.spec import DataSpec

BLOCK = 16 * 1024 * 1024
"""Bytes parsed at a time; a single row may not be longer."""


def read(data: DataSpec, file: Path, name: str) -> Piece:
    """The rows of one file. Raises ArrowException or StageError where it is no such file at all."""
    decodable(file, name, data.format.encoding)
    header = has_header(data)
    bad: dict[int, tuple[int, int, str]] = {}

    def skip(row: pyarrow.csv.InvalidRow) -> str:
        bad[row.number - header] = (row.expected_columns, row.actual_columns, row.text)
        return "skip"

    table = pyarrow.csv.read_csv(
        file,
        read_options=pyarrow.csv.ReadOptions(
            column_names=data.format.columns,
            encoding=data.format.encoding,
            use_threads=False,
            block_size=BLOCK,
            skip_rows_after_names=1 if header and data.format.columns is not None else 0,
        ),
        parse_options=_parsing(data, skip),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(_textual(data), pa.string()),
            null_values=data.format.nulls,
            strings_can_be_null=False,
            decimal_point=data.format.decimal or ".",
        ),
    )
    if bad and not table.num_rows:
        expected, actual, _ = next(iter(bad.values()))
        message = f"{name} has {actual} columns in every row, not {expected}"
        raise StageError(message, help="see data.format: columns, delimiter, quoting")
    numbers = (
        [n for n in range(1, table.num_rows + len(bad) + 1) if n not in bad] if bad else range(1, table.num_rows + 1)
    )
    return Piece(name, _with_nulls(data, table), numbers, tuple(_unread(name, bad)))


def has_header(data: DataSpec) -> bool:
    """Whether the first line holds names."""
    return data.format.columns is None if data.format.header is None else data.format.header


def _parsing(data: DataSpec, skip: object) -> pyarrow.csv.ParseOptions:
    delimiter, quoting = dialect(data)
    return pyarrow.csv.ParseOptions(
        delimiter=delimiter,
        quote_char='"' if quoting else False,
        double_quote=quoting,
        newlines_in_values=quoting,
        invalid_row_handler=skip,
    )


def dialect(data: DataSpec) -> tuple[str, bool]:
    """The column separator, and whether values may stand in double quotes."""
    tabs = data.written_as == "tsv"
    quoting = data.format.quoting if data.format.quoting is not None else not tabs
    return data.format.delimiter or ("\t" if tabs else ","), quoting


def _textual(data: DataSpec) -> Iterator[str]:
    """Columns whose values must stay as written: `007` is no number there, `2020-01-01` no date."""
    yield from (name for name, i in data.columns.items() if i.type != "number")
    if data.target.type == "class":
        yield data.target.column


def _with_nulls(data: DataSpec, table: pa.Table) -> pa.Table:
    """Text is missing where it is empty; in other columns also where one of `format.nulls` stands."""
    texts = {name for name, i in data.columns.items() if i.type == "text"}
    for index, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            words = pa.array([""] if field.name in texts else [*data.format.nulls, ""], pa.string())
            column = table.column(index)
            missing = pc.is_in(column, value_set=words)
            table = table.set_column(index, field.name, pc.if_else(missing, pa.scalar(None, pa.string()), column))
    return table


def _unread(name: str, bad: dict[int, tuple[int, int, str]]) -> Iterator[Failure]:
    kinds: dict[str, list[Place]] = {}
    for number, (expected, actual, text) in sorted(bad.items()):
        kinds.setdefault(f"have {actual} columns, not {expected}", []).append(Place(name, number, text))
    for what, places in kinds.items():
        yield Failure("rows", what, places)


def lines(data: DataSpec, file: Path) -> Iterator[int]:
    """The line on which each row of the file begins, counted from 1."""
    delimiter, quoting = dialect(data)
    csv.field_size_limit(2**31 - 1)
    with file.open(encoding=data.format.encoding, errors="replace", newline="") as opened:
        reader = csv.reader(opened, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE)
        begins, skipped = 1, not has_header(data)
        for row in reader:
            if row and skipped:
                yield begins
            skipped = skipped or bool(row)
            begins = reader.line_num + 1
