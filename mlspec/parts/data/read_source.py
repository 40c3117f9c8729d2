"""A source to Raw rows: finds the files of a path or glob and reads them, or calls the user's function."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mlspec.errors import StageError
from mlspec.job import user_code
from mlspec.parts.data import folders, jsonl, separated
from mlspec.parts.data.file_contents import contents
from mlspec.parts.data.raw_rows import Piece, Raw, joined
from mlspec.parts.data.sniff import refuse_placeholders
from mlspec.parts.data.source_files import tables
from mlspec.sections.addresses import is_callable
from mlspec.sections.data import DataSpec


def read(data: DataSpec, root: Path, name: str) -> Raw:
    """All rows of the source of that name in `data.sources`. Raises StageError where they cannot be read at all."""
    source = data.sources[name]
    if is_callable(source):
        pieces = [_called(source, root)]
    elif data.written_as == "images":
        pieces = [folders.read(data, root, data.files[name])]
    else:
        found = tables(data, root, data.files[name])
        pieces = [_file(data, root, file) for file in found.files]
        pieces[0] = replace(pieces[0], decisions=(*found.decisions, *pieces[0].decisions))
    pictures = [column for column, spec in data.columns.items() if spec.type == "image"]
    if data.format.trim:
        pieces = [piece.renamed(str.strip) for piece in pieces]
    raw = joined(pieces, [*data.inputs, data.target.column], pictures)
    if not raw.table.num_rows and not raw.unread:
        raise StageError(f"there are no rows in {source}", help="name a source that has rows in data.source")
    return raw.trimmed() if data.format.trim else raw


def _file(data: DataSpec, root: Path, file: Path) -> Piece:
    name = file.relative_to(root).as_posix()
    readers: dict[str, Callable[[DataSpec, Path, str], Piece]] = {
        "parquet": _parquet,
        "jsonl": jsonl.read,
        "json": jsonl.read,
    }
    try:
        refuse_placeholders(file, name, data.written_as)
        return readers.get(data.written_as, separated.read)(data, file, name)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        reason = str(error).split(". If ")[0]
        help = "see data.format for how the file is written"
        raise StageError(f"{name} cannot be read as {data.written_as}: {reason}", help=help) from None
    except OSError as error:
        # pyarrow raises it for a damaged parquet file too, without a number.
        help = "restore the file: write, fetch or copy it again" if error.errno is None else "check its permissions"
        raise StageError(f"{name} cannot be read: {error.strerror or error}", help=help) from None


def _parquet(_: DataSpec, file: Path, name: str) -> Piece:
    # Not `read_table`: it takes folders named a=b on the way to the file for columns.
    found = contents(file, name)
    with pq.ParquetFile(pa.BufferReader(found.raw) if found.decisions else file) as opened:
        table = opened.read()
    _refuse_damaged(table)
    table = _without_views(table)
    return Piece(name, table, range(1, table.num_rows + 1), decisions=found.decisions)


def _refuse_damaged(table: pa.Table) -> None:
    """Raise ArrowException or UnicodeDecodeError for values and names that do not have the type that the file says."""
    table.validate(full=True)
    _ = table.column_names


def _without_views(table: pa.Table) -> pa.Table:
    """The same columns without types that rows cannot be taken from, or that differ from others in storage alone."""
    usual = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
    for index, field in enumerate(table.schema):
        if pa.types.is_fixed_size_binary(field.type):
            table = table.set_column(index, field.name, pc.cast(table.column(index), pa.binary()))
        elif field.type in usual:
            table = table.set_column(index, field.name, pc.cast(table.column(index), usual[field.type]))
    return table


def _called(source: str, root: Path) -> Piece:
    module, _, name = source.partition(":")
    with user_code(root, source):
        sys.path.insert(0, str(root))
        try:
            made = getattr(importlib.import_module(module), name)()
        finally:
            sys.path.remove(str(root))
    table = _table(made, source)
    return Piece(source, table, range(1, table.num_rows + 1))


def _table(made: Any, source: str) -> pa.Table:
    try:
        if isinstance(made, dict) or hasattr(made, "__arrow_c_stream__"):
            return pa.table(made)
        if hasattr(made, "to_dict") and hasattr(made, "columns"):
            return pa.Table.from_pandas(made, preserve_index=False)
        return pa.Table.from_pylist(list(made))
    except (pa.ArrowException, TypeError, ValueError, AttributeError) as error:
        raise StageError(
            f"{source} gave no table: {str(error) or type(made).__name__}",
            help="return a pyarrow Table, a pandas DataFrame, a list of dicts or a dict of lists",
        ) from None
