"""A source's rows as they came, with the file and row that each is from, so that a fault can be shown at its place."""

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

_SEPARATORS = (";", "\t", "|", ",")


class RowPlace(NamedTuple):
    """One value at fault: its file, its row there counted from 1 (0 where rows do not count), and the value."""

    file: str
    row: int
    value: object


@dataclass(frozen=True, slots=True)
class Failure:
    """What is wrong with a column, and where."""

    column: str
    what: str
    places: Sequence[RowPlace] = ()
    help: str = ""
    """The edit of the spec that fits these values; empty where the data has to change."""
    code: str = ""
    """The explanation that `mlspec explain` has of it."""


def merged(failures: Iterable[Failure]) -> list[Failure]:
    """One Failure for each thing that is wrong, with the places of all files, each once.

    A target's missing values are a fault of their own, and of a check that asks for them.
    """
    places: dict[tuple[str, str], dict[tuple[str, int], RowPlace]] = {}
    first: dict[tuple[str, str], Failure] = {}
    for failure in failures:
        key = (failure.column, failure.what)
        if not first.setdefault(key, failure).help and failure.help:
            first[key] = failure
        for place in failure.places:
            places.setdefault(key, {}).setdefault(place[:2], place)
    return [replace(failure, places=list(places.get(key, {}).values())) for key, failure in first.items()]


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
    lines: Sequence[int] = ()
    """Where a file has lines: the one on which each row begins, counted from 1."""

    def renamed(self, rename: Callable[[str], str]) -> Piece:
        """The same rows under other column names."""
        return replace(self, table=self.table.rename_columns([rename(name) for name in self.table.column_names]))


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

    def failure(self, column: str, what: str, rows: Iterable[int], help: str = "", code: str = "") -> list[Failure]:
        """One Failure about these rows of `table`, or none where there are no rows."""
        values = self.table[column] if column in self.names else None
        places = [self.place(row, values[row].as_py() if values is not None else "") for row in rows]
        return [Failure(column, what, places, help, code)] if places else []

    def place(self, row: int, value: object = "") -> RowPlace:
        """Where a row of `table` is from."""
        index = bisect.bisect_right(self.starts, row) - 1
        piece, at = self.pieces[index], row - self.starts[index]
        return RowPlace(piece.names[at] if piece.names else piece.file, piece.numbers[at], value)

    def line(self, row: int) -> int:
        """The line of its file on which a row of `table` begins; 0 where the file has no lines."""
        index = bisect.bisect_right(self.starts, row) - 1
        lines = self.pieces[index].lines
        return lines[row - self.starts[index]] if lines else 0

    def trimmed(self) -> Raw:
        """The same rows without spaces around texts."""
        table = self.table
        for index, field in enumerate(table.schema):
            if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
                table = table.set_column(index, field.name, pc.utf8_trim_whitespace(table.column(index)))
        return replace(self, table=table)

    def need(self, column: str, who: str) -> None:
        """Raise StageError where there is no such column; `who` says what asks for it."""
        if column not in self.names:
            raise StageError(f"{who} `{column}`, which the data does not have", help=_columns(column, self.names))

    def with_column(self, name: str, column: pa.Array) -> Raw:
        """The same rows with that column in the place of the one of that name."""
        return replace(self, table=self.table.set_column(self.names.index(name), name, column))


def joined(pieces: Sequence[Piece], needed: Sequence[str], images: Collection[str] = ()) -> Raw:
    """The rows of all files, one after the other. Raises StageError where a file lacks one of the columns `needed`.

    Columns that nobody names do not matter: those without a name of their own are left out, and lists and dictionaries
    become JSON text. `images` may keep theirs.
    """
    usable = [_named(piece, needed) for piece in pieces]
    tables = _alike([_plain(piece.table, {*needed, *images}) for piece in usable])
    try:
        table = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        message = f"the files do not fit together: {error}"
        raise StageError(message, help="give them the same columns and types") from None
    starts = itertools.accumulate((piece.table.num_rows for piece in pieces[:-1]), initial=0)
    return Raw(table.replace_schema_metadata(None).combine_chunks(), tuple(usable), tuple(starts))


def _named(piece: Piece, needed: Sequence[str]) -> Piece:
    """The piece without columns that have no name of their own. Raises StageError for a needed one."""
    names = piece.table.column_names
    counts = Counter(names)
    twice = next((name for name in needed if counts[name] > 1), None)
    if twice is not None:
        message = f"{piece.file} has {counts[twice]} columns named {shown(twice)}"
        help = "rename one of them in the file, or name all columns in data.format.columns"
        raise StageError(message, help=help, code="repeated-column")
    for name in needed:
        if name not in counts:
            help = _separator(needed, names) or _trimmed(name, names) or _columns(name, names)
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
    said = [f"{unnamed} column{'s' if unnamed != 1 else ''} without a name"] if unnamed else []
    said += [f"{count} columns named {shown(name)}" for name, count in counts.items() if count > 1 and name.strip()]
    return " and ".join(said)


def _trimmed(name: str, names: Sequence[str]) -> str:
    """What to say where the name has spaces around it in the file."""
    padded = name in [n.strip() for n in names]
    return "its name has spaces around it in the file: `data: {format: {trim: true}}`" if padded else ""


def _separator(needed: Sequence[str], names: Sequence[str]) -> str:
    """What to say where the whole header was read as one name: another character separates the columns."""
    if len(names) == 1:
        for sign in _SEPARATORS:
            if set(needed) & {part.strip() for part in names[0].split(sign)} and sign in names[0]:
                written = '"\\t"' if sign == "\t" else f'"{sign}"'
                return f"its columns are separated otherwise: `data: {{format: {{delimiter: {written}}}}}`"
    return ""


def _columns(name: str, names: Sequence[str]) -> str:
    known = [n for n in names if n.strip()]
    return suggest(name, known, "its columns are") if known else "no column has a name; see data.source"


def _plain(table: pa.Table, needed: Collection[str]) -> pa.Table:
    """Dictionaries (pandas' categories) as the values that they stand for; nested columns that nobody needs as JSON."""
    for index, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(index, field.name, pc.cast(table.column(index), field.type.value_type))
        elif pa.types.is_nested(field.type) and field.name not in needed:
            values = [v if v is None else json.dumps(v, default=str) for v in table.column(index).to_pylist()]
            table = table.set_column(index, field.name, pa.array(values, pa.string()))
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
            values = [v if v is None else text(v) for v in table.column(index).to_pylist()]
            table = table.set_column(index, field.name, pa.array(values, pa.string()))
    return table
