"""A source to Raw rows: reads the files of a path or glob, or calls the user's function."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

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
    """All rows of the source with that key in `data.sources`. Raises StageError if it cannot be read or is empty."""
    source = data.sources[name]
    if is_callable(source):
        pieces = [called(source, root)]
    elif data.written_as == "images":
        pieces = [folders.read(data, root, data.files[name])]
    else:
        source_files = tables(data, root, data.files[name])
        pieces = [_file(data, root, file) for file in source_files.files]
        pieces[0] = replace(pieces[0], decisions=(*source_files.decisions, *pieces[0].decisions))
    pictures = [column for column, spec in data.columns.items() if spec.type == "image"]
    if data.format.trim:
        pieces = [piece.renamed(str.strip) for piece in pieces]
    raw = joined(pieces, [*data.inputs, data.target.column], pictures)
    if not raw.table.num_rows and not raw.unread:
        raise StageError(f"{source} has no rows", help="set data.source to a source that has rows")
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
        help = "set data.format to the format of the file"
        raise StageError(f"cannot read {name} as {data.written_as}: {reason}", help=help) from None
    except OSError as error:
        # pyarrow raises OSError for a damaged parquet file too, without an errno.
        help = "the file is damaged: download or copy it again" if error.errno is None else "fix its permissions"
        raise StageError(f"cannot read {name}: {error.strerror or error}", help=help) from None


def _parquet(_: DataSpec, file: Path, name: str) -> Piece:
    # Not `read_table`: it turns parent folders named a=b into columns.
    unpacked = contents(file, name)
    with pq.ParquetFile(pa.BufferReader(unpacked.raw) if unpacked.decisions else file) as opened:
        table = opened.read()
    _refuse_damaged(table)
    table = _without_views(table)
    return Piece(name, table, range(1, table.num_rows + 1), decisions=unpacked.decisions)


def _refuse_damaged(table: pa.Table) -> None:
    """Raise ArrowException or UnicodeDecodeError for values and names that do not match the schema of the file."""
    table.validate(full=True)
    _ = table.column_names


def _without_views(table: pa.Table) -> pa.Table:
    """The table with view and fixed-size types replaced by plain ones, which support `take`."""
    usual = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
    for index, field in enumerate(table.schema):
        if pa.types.is_fixed_size_binary(field.type):
            table = table.set_column(index, field.name, pc.cast(table.column(index), pa.binary()))
        elif field.type in usual:
            table = table.set_column(index, field.name, pc.cast(table.column(index), usual[field.type]))
    return table


def called(source: str, root: Path) -> Piece:
    """The table that the user's function returns. Raises StageError if it fails or returns no table."""
    module, _, name = source.partition(":")
    with user_code(root, source):
        sys.path.insert(0, str(root))
        try:
            value = getattr(importlib.import_module(module), name)()
        finally:
            sys.path.remove(str(root))
    table = _table(value, source)
    return Piece(source, table, range(1, table.num_rows + 1))


def _table(value: object, source: str) -> pa.Table:
    try:
        if isinstance(value, dict) or hasattr(value, "__arrow_c_stream__"):
            return pa.table(value)
        if hasattr(value, "to_dict") and hasattr(value, "columns"):
            return pa.Table.from_pandas(value, preserve_index=False)
        if not isinstance(value, Iterable):
            raise TypeError(type(value).__name__)
        return pa.Table.from_pylist(list(value))
    except (pa.ArrowException, TypeError, ValueError, AttributeError) as error:
        raise StageError(
            f"{source} did not return a table: {str(error) or type(value).__name__}",
            help="return a pyarrow Table, a pandas DataFrame, a list of dicts or a dict of lists",
        ) from None
