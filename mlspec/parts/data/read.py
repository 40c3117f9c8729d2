"""A source to Raw rows: finds the files of a path or glob and reads them, or calls the user's function."""

from __future__ import annotations

import glob
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mlspec.errors import StageError
from mlspec.job import user_code
from mlspec.parts.data import jsonl, separated
from mlspec.parts.data.address import is_callable
from mlspec.parts.data.contents import contents
from mlspec.parts.data.raw import Piece, Raw, joined
from mlspec.parts.data.spec import PICTURES, DataSpec


def read(data: DataSpec, root: Path, name: str) -> Raw:
    """All rows of the source of that name in `data.sources`. Raises StageError where they cannot be read at all."""
    source = data.sources[name]
    if is_callable(source):
        pieces = [_called(source, root)]
    elif data.written_as == "images":
        pieces = [_images(data, root, data.files[name])]
    else:
        pieces = [_file(data, root, file) for file in files(root, data.files[name])]
    pictures = [column for column, spec in data.columns.items() if spec.type == "image"]
    if data.format.trim:
        pieces = [piece.renamed(str.strip) for piece in pieces]
    raw = joined(pieces, [*data.inputs, data.target.column], pictures)
    if not raw.table.num_rows and not raw.unread:
        raise StageError(f"there are no rows in {source}", help="name a source that has rows in data.source")
    return raw.trimmed() if data.format.trim else raw


def files(root: Path, source: str) -> list[Path]:
    """The files of a path, folder or glob in the project, in the order of their names."""
    found = sorted(root / path for path in glob.glob(source, root_dir=root, recursive=True))  # noqa: PTH207 - `**` and plain paths alike
    below = [f for path in found for f in (sorted(path.rglob("*")) if path.is_dir() else [path]) if f.is_file()]
    wanted = [f for f in dict.fromkeys(below) if not _hidden(f.relative_to(root)) and f.suffix != ".dvc"]
    if not wanted:
        raise StageError(
            f"there is no data at {source}",
            help="put it there; or `dvc pull`, if it is tracked by DVC; or change data.source",
        )
    return wanted


def _hidden(path: Path) -> bool:
    return any(step.startswith(".") for step in path.parts)


def _file(data: DataSpec, root: Path, file: Path) -> Piece:
    name = file.relative_to(root).as_posix()
    readers: dict[str, Callable[[DataSpec, Path, str], Piece]] = {
        "parquet": _parquet,
        "jsonl": jsonl.read,
        "json": jsonl.read,
    }
    try:
        return readers.get(data.written_as, separated.read)(data, file, name)
    except pa.ArrowException as error:
        reason = str(error).split(". If ")[0]
        help = "see data.format for how the file is written"
        raise StageError(f"{name} cannot be read as {data.written_as}: {reason}", help=help) from None
    except OSError as error:
        raise StageError(f"{name} cannot be read: {error.strerror or error}") from None


def _parquet(_: DataSpec, file: Path, name: str) -> Piece:
    # Not `read_table`: it takes folders named a=b on the way to the file for columns.
    found = contents(file, name)
    with pq.ParquetFile(pa.BufferReader(found.raw) if found.decisions else file) as opened:
        table = opened.read()
    return Piece(name, table, range(1, table.num_rows + 1), decisions=found.decisions)


def _images(data: DataSpec, root: Path, source: str) -> Piece:
    found = [f for f in files(root, source) if f.suffix[1:].lower() in PICTURES]
    if not found:
        raise StageError(f"there are no images at {source}", help=f"known endings: {', '.join(PICTURES)}")
    names = [f.relative_to(root).as_posix() for f in found]
    columns = {
        next(iter(data.inputs)): pa.array([f"/{name}" for name in names], pa.string()),
        data.target.column: pa.array([f.parent.name for f in found], pa.string()),
    }
    return Piece(source, pa.table(columns), [0] * len(found), names=names)


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
