"""Source files to one Arrow table with a note of which row of which file each came from. Reads; writes nothing."""

from __future__ import annotations

import glob
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from mlspec.errors import StageError
from mlspec.job import user_code
from mlspec.parts.data.spec import DataSpec

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")


def load(data: DataSpec, root: Path, source: str) -> pa.Table:
    """All rows of `source` (a path or glob in the project). Raises StageError where a file cannot be read."""
    if data.written_as == "images":
        return _images(data, root, source)
    files = _files(root, source)
    return _joined([_read(data, root, file) for file in files], [f.relative_to(root).as_posix() for f in files])


def call(data: DataSpec, root: Path) -> pa.Table:
    """All rows that the user's function gives."""
    module, _, name = data.source.partition(":")
    with user_code(root, data.source):
        sys.path.insert(0, str(root))
        made = getattr(importlib.import_module(module), name)()
    return _table(made, data.source)


def _files(root: Path, source: str) -> list[Path]:
    found = sorted(Path(p) for p in glob.glob(str(root / source), recursive=True))  # noqa: PTH207 - `**` and plain paths alike
    files = [f for path in found for f in (sorted(path.rglob("*")) if path.is_dir() else [path]) if f.is_file()]
    files = [f for f in files if not f.name.startswith(".") and f.suffix != ".dvc"]
    if not files:
        raise StageError(
            f"there is no data at {source}",
            help=f"put it there; or `dvc pull`, if it is tracked by DVC; or change data.source (looked in {root})",
        )
    return files


def _read(data: DataSpec, root: Path, file: Path) -> pa.Table:
    name = file.relative_to(root).as_posix()
    try:
        match data.written_as:
            case "parquet":
                return pq.read_table(file)
            case "jsonl":
                return pyarrow.json.read_json(file)
            case _:
                return _separated(data, file)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowKeyError, UnicodeError, LookupError) as error:
        reason = str(error).split(". If ")[0]
        raise StageError(f"{name} cannot be read as {data.written_as}: {reason}", help=_hint(reason, data)) from None
    except OSError as error:
        raise StageError(f"{name} cannot be read: {error}") from None


def _hint(reason: str, data: DataSpec) -> str:
    if "Expected" in reason and "columns" in reason:
        return "a row has more or fewer columns than the first; see data.format: delimiter, quoting, columns"
    if "UTF8" in reason or "utf-8" in reason:
        return f"the file is not {data.format.encoding}; set data.format.encoding"
    return "see data.format for how the file is written"


def _separated(data: DataSpec, file: Path) -> pa.Table:
    tabs = data.written_as == "tsv"
    quoting = data.format.quoting if data.format.quoting is not None else not tabs
    return pyarrow.csv.read_csv(
        file,
        read_options=pyarrow.csv.ReadOptions(
            column_names=data.format.columns, encoding=data.format.encoding, use_threads=False
        ),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=data.format.delimiter or ("\t" if tabs else ","),
            quote_char='"' if quoting else False,
            double_quote=quoting,
            newlines_in_values=quoting,
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={n: pa.string() for n, i in data.columns.items() if i.type in ("text", "category")},
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=["", "NA", "NaN", "nan", "null", "NULL"] if not tabs else ["", "NA", "null"],
        ),
    )


def _images(data: DataSpec, root: Path, source: str) -> pa.Table:
    files = [f for f in _files(root, source) if f.suffix.lower() in IMAGES]
    if not files:
        raise StageError(f"there are no images at {source}", help=f"known endings: {', '.join(IMAGES)}")
    name = next(iter(data.columns))
    columns = {name: [f.read_bytes() for f in files], data.target.column: [f.parent.name for f in files]}
    table = pa.table({key: pa.array(values) for key, values in columns.items()})
    return _noted(table, [f.relative_to(root).as_posix() for f in files], [1] * len(files))


def _table(made: Any, source: str) -> pa.Table:
    try:
        if isinstance(made, pa.Table):
            table = made
        elif isinstance(made, dict):
            table = pa.table(made)
        elif hasattr(made, "to_dict") and hasattr(made, "columns"):
            table = pa.Table.from_pandas(made, preserve_index=False)
        else:
            table = pa.Table.from_pylist(list(made))
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise StageError(
            f"{source} gave no table: {error}",
            help="return a pyarrow Table, a pandas DataFrame, a list of dicts or a dict of lists",
        ) from None
    return _noted(table, [source] * table.num_rows, list(range(1, table.num_rows + 1)))


def _joined(tables: Sequence[pa.Table], names: Sequence[str]) -> pa.Table:
    noted = [_noted(t, [n] * t.num_rows, list(range(1, t.num_rows + 1))) for t, n in zip(tables, names, strict=True)]
    try:
        return pa.concat_tables(noted, promote_options="permissive")
    except pa.ArrowException as error:
        raise StageError(
            f"the files do not fit together: {error}", help="give them the same columns and types"
        ) from None


def _noted(table: pa.Table, files: Sequence[str], rows: Sequence[int]) -> pa.Table:
    table = table.drop_columns([c for c in ("__file", "__row") if c in table.column_names])
    return table.append_column("__file", pa.array(files, pa.string())).append_column(
        "__row", pa.array(rows, pa.int64())
    )


Reader = Callable[[DataSpec, Path, str], pa.Table]
