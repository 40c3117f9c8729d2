"""A source's rows as they came, with the file and row that each is from, so that a fault can be shown at its place."""

from __future__ import annotations

import bisect
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from mlspec.errors import StageError
from mlspec.parts.data.decisions import Decision
from mlspec.spec.names import suggest

_SEPARATORS = (";", "\t", "|", ",")


class Place(NamedTuple):
    """One value at fault: its file, its row there counted from 1 (0 where rows do not count), and the value."""

    file: str
    row: int
    value: object


@dataclass(frozen=True, slots=True)
class Failure:
    """What is wrong with a column, and where."""

    column: str
    what: str
    places: Sequence[Place] = ()


def merged(failures: Iterable[Failure]) -> list[Failure]:
    """One Failure for each thing that is wrong, with the places of all files, each once.

    A target's missing values are a fault of their own, and of a check that asks for them.
    """
    found: dict[tuple[str, str], dict[tuple[str, int], Place]] = {}
    for failure in failures:
        places = found.setdefault((failure.column, failure.what), {})
        for place in failure.places:
            places.setdefault(place[:2], place)
    return [Failure(column, what, list(places.values())) for (column, what), places in found.items()]


@dataclass(frozen=True, slots=True)
class Piece:
    """One file's rows: `numbers` are their positions in the file, counted from 1."""

    file: str
    table: pa.Table
    numbers: Sequence[int]
    unread: tuple[Failure, ...] = ()
    """Rows that could not be read, and are not in the table."""
    names: Sequence[str] = ()
    """Where each row is a file of its own (an image): their names."""
    decisions: tuple[Decision, ...] = ()
    """How the file was interpreted where the spec leaves it open."""


@dataclass(frozen=True, slots=True)
class Raw:
    """All rows of one source."""

    table: pa.Table
    pieces: tuple[Piece, ...]
    starts: tuple[int, ...]
    """The position in `table` at which each piece begins."""

    @property
    def names(self) -> list[str]:
        """Its columns."""
        return list(self.table.column_names)

    @property
    def unread(self) -> list[Failure]:
        """Rows that could not be read, of all files."""
        return [failure for piece in self.pieces for failure in piece.unread]

    @property
    def decisions(self) -> list[Decision]:
        """How all files were interpreted."""
        return [decision for piece in self.pieces for decision in piece.decisions]

    def failure(self, column: str, what: str, rows: Iterable[int]) -> list[Failure]:
        """One Failure about these rows of `table`, or none where there are no rows."""
        values = self.table[column] if column in self.names else None
        places = [self.place(row, values[row].as_py() if values is not None else "") for row in rows]
        return [Failure(column, what, places)] if places else []

    def place(self, row: int, value: object = "") -> Place:
        """Where a row of `table` is from."""
        index = bisect.bisect_right(self.starts, row) - 1
        piece, at = self.pieces[index], row - self.starts[index]
        return Place(piece.names[at] if piece.names else piece.file, piece.numbers[at], value)

    def need(self, column: str, who: str) -> None:
        """Raise StageError where there is no such column; `who` says what asks for it."""
        if column not in self.names:
            raise StageError(f"{who} `{column}`, which the data does not have", help=_columns(column, self.names))

    def with_column(self, name: str, column: pa.Array) -> Raw:
        """The same rows with that column in the place of the one of that name."""
        return replace(self, table=self.table.set_column(self.names.index(name), name, column))


def joined(pieces: Sequence[Piece], wanted: Sequence[str]) -> Raw:
    """The rows of all files, one after the other. Raises StageError where a file lacks one of the columns `wanted`."""
    for piece in pieces:
        _has_columns(piece, wanted)
    tables = _alike([_plain(piece.table) for piece in pieces])
    try:
        table = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        message = f"the files do not fit together: {error}"
        raise StageError(message, help="give them the same columns and types") from None
    starts = itertools.accumulate((piece.table.num_rows for piece in pieces[:-1]), initial=0)
    return Raw(table.replace_schema_metadata(None).combine_chunks(), tuple(pieces), tuple(starts))


def _has_columns(piece: Piece, wanted: Sequence[str]) -> None:
    names = piece.table.column_names
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        message = f"{piece.file} has two columns named `{twice[0]}`"
        raise StageError(message, help="rename one of them; see data.format.columns")
    for name in wanted:
        if name not in names:
            raise StageError(
                f"{piece.file} has no column `{name}`", help=_separator(wanted, names) or _columns(name, names)
            )


def _separator(wanted: Sequence[str], names: Sequence[str]) -> str:
    """What to say where the whole header was read as one name: another character separates the columns."""
    if len(names) == 1:
        for sign in _SEPARATORS:
            if set(wanted) & set(names[0].split(sign)) and sign in names[0]:
                written = '"\\t"' if sign == "\t" else f'"{sign}"'
                return f"its columns are separated otherwise: `data: {{format: {{delimiter: {written}}}}}`"
    return ""


def _columns(name: str, names: Sequence[str]) -> str:
    return suggest(name, [n for n in names if n.strip()], "its columns are")


def _plain(table: pa.Table) -> pa.Table:
    """Dictionaries (pandas' categories) as the values that they stand for."""
    for index, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(index, field.name, pc.cast(table.column(index), field.type.value_type))
    return table


def _alike(tables: list[pa.Table]) -> list[pa.Table]:
    """A column that is text in one file, for one bad value perhaps, is read as text in all."""
    textual = {
        f.name for t in tables for f in t.schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)
    }
    return [_as_text(table, textual) for table in tables] if len(tables) > 1 else tables


def _as_text(table: pa.Table, names: set[str]) -> pa.Table:
    for index, field in enumerate(table.schema):
        if field.name in names and (pa.types.is_primitive(field.type) or pa.types.is_boolean(field.type)):
            table = table.set_column(index, field.name, pc.cast(table.column(index), pa.string()))
    return table
