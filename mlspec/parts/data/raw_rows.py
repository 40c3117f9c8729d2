"""The unconverted rows of a source, with the file and row number of each, so that errors can report them."""

from __future__ import annotations

import bisect
import itertools
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from mlspec.errors import StageError
from mlspec.parts.data.cell_values import shown, text
from mlspec.records.decisions import Decision
from mlspec.spec.names import suggest


class RowPlace(NamedTuple):
    """One value: its file, its row counted from 1 (0 if the file is one row), and the value."""

    file: str
    row: int
    value: object


@dataclass(frozen=True, slots=True)
class Failure:
    """What is wrong with the values of a column, and the rows concerned."""

    column: str
    what: str
    places: Sequence[RowPlace] = ()
    help: str = ""
    """The edit of the spec that accepts these values; empty if the data has to change."""
    code: str = ""
    """The code for `mlspec explain`; empty if it has no explanation."""
    nulls: tuple[str, ...] = ()
    """Texts of the column that may mean a missing value; the help about them covers all columns."""


def merged(failures: Iterable[Failure]) -> list[Failure]:
    """One Failure for each column and problem, with the rows of all files, each once.

    A missing target value can fail twice: as a target, and by a declared check.
    """
    places: dict[tuple[str, str], dict[tuple[str, int], RowPlace]] = {}
    nulls: dict[tuple[str, str], dict[str, None]] = {}
    first: dict[tuple[str, str], Failure] = {}
    for failure in failures:
        key = (failure.column, failure.what)
        if not first.setdefault(key, failure).help and failure.help:
            first[key] = failure
        nulls.setdefault(key, {}).update(dict.fromkeys(failure.nulls))
        for place in failure.places:
            places.setdefault(key, {}).setdefault(place[:2], place)
    return [
        replace(failure, places=list(places.get(key, {}).values()), nulls=tuple(nulls[key]))
        for key, failure in first.items()
    ]


@dataclass(frozen=True, slots=True)
class Piece:
    """One file's rows: `numbers` are their positions in the file, counted from 1."""

    file: str
    table: pa.Table
    numbers: Sequence[int]
    unread: tuple[Failure, ...] = ()
    """Rows that could not be parsed and are not in the table."""
    names: Sequence[str] = ()
    """The file name of each row if each row is a file (an image)."""
    decisions: tuple[Decision, ...] = ()
    """How the file was interpreted if the spec leaves it open."""
    lines: Sequence[int] = ()
    """The line on which each row begins, counted from 1; empty for files without lines."""

    def only(self, rows: Sequence[int]) -> Piece:
        """These rows of the piece, in ascending order."""
        return replace(
            self,
            table=self.table.take(pa.array(rows, pa.int64())),
            numbers=[self.numbers[row] for row in rows],
            names=[self.names[row] for row in rows] if self.names else (),
            lines=[self.lines[row] for row in rows] if self.lines else (),
        )

    def renamed(self, rename: Callable[[str], str]) -> Piece:
        """The same rows under other column names."""
        return replace(self, table=self.table.rename_columns([rename(name) for name in self.table.column_names]))


@dataclass(frozen=True, slots=True)
class Raw:
    """All rows of one source."""

    table: pa.Table
    pieces: tuple[Piece, ...]
    starts: tuple[int, ...]
    """The row of `table` at which each piece begins."""

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return list(self.table.column_names)

    @property
    def unread(self) -> list[Failure]:
        """Rows of all files that could not be parsed."""
        return [failure for piece in self.pieces for failure in piece.unread]

    @property
    def decisions(self) -> list[Decision]:
        """How all files were interpreted."""
        return [decision for piece in self.pieces for decision in piece.decisions]

    def failure(
        self, column: str, what: str, rows: Iterable[int], help: str = "", code: str = "", nulls: Iterable[str] = ()
    ) -> list[Failure]:
        """One Failure about these rows of `table`; an empty list if `rows` is empty."""
        values = self.table[column] if column in self.names else None
        places = [self.place(row, values[row].as_py() if values is not None else "") for row in rows]
        return [Failure(column, what, places, help, code, tuple(nulls))] if places else []

    def place(self, row: int, value: object = "") -> RowPlace:
        """The file and row that a row of `table` comes from."""
        index = bisect.bisect_right(self.starts, row) - 1
        piece, at = self.pieces[index], row - self.starts[index]
        return RowPlace(piece.names[at] if piece.names else piece.file, piece.numbers[at], value)

    def line(self, row: int) -> int:
        """The line of its file on which a row of `table` begins; 0 if the file has no lines."""
        index = bisect.bisect_right(self.starts, row) - 1
        lines = self.pieces[index].lines
        return lines[row - self.starts[index]] if lines else 0

    def only(self, rows: Sequence[int]) -> Raw:
        """These rows, in ascending order, each with its file and row number."""
        ends = [bisect.bisect_left(rows, start) for start in (*self.starts[1:], self.table.num_rows)]
        firsts = [0, *ends[:-1]]
        pieces = [
            piece.only([row - start for row in rows[first:end]])
            for piece, start, first, end in zip(self.pieces, self.starts, firsts, ends, strict=True)
        ]
        return Raw(self.table.take(pa.array(rows, pa.int64())), tuple(pieces), tuple(firsts))

    def trimmed(self) -> Raw:
        """The same rows without spaces around texts."""
        table = self.table
        for index, field in enumerate(table.schema):
            if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
                table = table.set_column(index, field.name, pc.utf8_trim_whitespace(table.column(index)))
        return replace(self, table=table)

    def need(self, column: str, who: str) -> None:
        """Raise StageError if the data lacks the column; `who` is the start of the message: `data.split.group is`."""
        if column not in self.names:
            raise StageError(f"{who} `{column}`, but the data has no such column", help=_columns(column, self.names))

    def with_column(self, name: str, column: pa.Array) -> Raw:
        """The same rows with the column of that name replaced."""
        return replace(self, table=self.table.set_column(self.names.index(name), name, column))


def joined(pieces: Sequence[Piece], needed: Sequence[str], images: Collection[str] = ()) -> Raw:
    """The rows of all files, concatenated.

    Of the columns that are not `needed`, unnamed and repeated ones are left out, and nested values become JSON text,
    except in `images`. Raises StageError if a file lacks a needed column, or if the types of the files differ.
    """
    usable = [_named(piece, needed) for piece in pieces]
    tables = _alike([_plain(piece.table, {*needed, *images}) for piece in usable])
    try:
        table = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        message = f"the files of the source have different types: {error}"
        raise StageError(message, help="write all files with the same columns and types") from None
    starts = itertools.accumulate((piece.table.num_rows for piece in pieces[:-1]), initial=0)
    return Raw(table.replace_schema_metadata(None).combine_chunks(), tuple(usable), tuple(starts))


def _named(piece: Piece, needed: Sequence[str]) -> Piece:
    """The piece without unnamed and repeated columns. Raises StageError if a needed column is missing or repeated."""
    names = piece.table.column_names
    counts = Counter(names)
    twice = next((name for name in needed if counts[name] > 1), None)
    if twice is not None:
        message = f"{piece.file} has {counts[twice]} columns named {shown(twice)}"
        help = "rename one of them in the file, or name all columns in data.format.columns"
        raise StageError(message, help=help, code="repeated-column")
    for name in needed:
        if name not in counts:
            help = _trimmed(name, names) or _columns(name, names)
            raise StageError(f"{piece.file} has no column `{name}`", help=help)
    kept = [index for index, name in enumerate(names) if name.strip() and counts[name] == 1]
    if len(kept) == len(names):
        return piece
    return replace(
        piece,
        table=piece.table.select(kept),
        decisions=(*piece.decisions, Decision("columns", f"{_left_out(names, counts)} not read", "")),
    )


def _left_out(names: Sequence[str], counts: Mapping[str, int]) -> str:
    unnamed = sum(not name.strip() for name in names)
    parts = [f"{unnamed} column{'s' if unnamed != 1 else ''} without a name"] if unnamed else []
    parts += [f"{count} columns named {shown(name)}" for name, count in counts.items() if count > 1 and name.strip()]
    return " and ".join(parts)


def _trimmed(name: str, names: Sequence[str]) -> str:
    """The help if the column name has spaces around it in the file."""
    padded = name in [n.strip() for n in names]
    return "the name has spaces around it in the file: `data: {format: {trim: true}}`" if padded else ""


def _columns(name: str, names: Sequence[str]) -> str:
    known = [n for n in names if n.strip()]
    return suggest(name, known, "its columns are") if known else "no column has a name; check data.source"


def _plain(table: pa.Table, needed: Collection[str]) -> pa.Table:
    """The table with dictionary-encoded columns (pandas categoricals) decoded, and unneeded nested columns as JSON."""
    for index, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(index, field.name, pc.cast(table.column(index), field.type.value_type))
        elif pa.types.is_nested(field.type) and field.name not in needed:
            values = [v if v is None else json.dumps(v, default=str) for v in table.column(index).to_pylist()]
            table = table.set_column(index, field.name, pa.array(values, pa.string()))
    return table


def _alike(tables: list[pa.Table]) -> list[pa.Table]:
    """The tables with each column as text in all files if it is text in one, perhaps because of one bad value."""
    textual = {
        f.name for t in tables for f in t.schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)
    }
    return [_as_text(table, textual) for table in tables] if len(tables) > 1 else tables


def _as_text(table: pa.Table, names: set[str]) -> pa.Table:
    for index, field in enumerate(table.schema):
        if field.name in names and (pa.types.is_primitive(field.type) or pa.types.is_boolean(field.type)):
            values = [v if v is None else text(v) for v in table.column(index).to_pylist()]
            table = table.set_column(index, field.name, pa.array(values, pa.string()))
    return table
