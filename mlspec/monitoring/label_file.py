"""Labels from files (CSV, TSV, Parquet or JSON lines), of this machine or in S3, or from a query: one table."""

from __future__ import annotations

import glob
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from mlspec.errors import StageError, UsageError
from mlspec.monitoring.duckdb_session import QueryLimits, file_list, quoted_text, session
from mlspec.monitoring.label_places import LabelFile, LabelPlace
from mlspec.sections.monitor_labels import FORMATS

_FILE: Final = "file of the label"
"""The column with the file of each row."""
_MORE: Final = f"union_by_name = true, filename = {quoted_text(_FILE)}"
_READERS: Final = {
    "csv": f"read_csv({{}}, header = true, all_varchar = true, {_MORE})",
    "tsv": f"read_csv({{}}, header = true, all_varchar = true, delim = '\t', {_MORE})",
    "parquet": f"read_parquet({{}}, {_MORE})",
    "jsonl": f"read_json({{}}, format = 'newline_delimited', {_MORE})",
    "ndjson": f"read_json({{}}, format = 'newline_delimited', {_MORE})",
}
_QUERY: Final = "monitor.labels.query"


@dataclass(frozen=True)
class GivenLabels:
    """Rows of labels, and where each of them stands."""

    table: pa.Table
    files: tuple[LabelFile, ...] = ()
    """The files in the order of their rows; none of a query."""

    def place(self, row: int) -> LabelPlace:
        """Where the row of that number, from 1, stands."""
        for file in self.files:
            if row <= file.rows:
                return file.place(row)
            row -= file.rows
        return LabelPlace(_QUERY, row)


@contextmanager
def labels_of_file(path: Path) -> Iterator[GivenLabels]:
    """The rows of a file. Raises UsageError if it cannot be read."""
    if _format(path.name) is None:
        suffixes = ", ".join(f".{name}" for name in FORMATS)
        raise UsageError(f"cannot read {path}: unknown suffix `{path.suffix}`", help=f"use {suffixes}")
    if not path.is_file():
        raise UsageError(f"file not found: {path}", help="check the path")
    if not path.stat().st_size:
        raise UsageError(f"{path} is empty", help="write a header and a row for each label")
    with _opened() as connection:
        yield _read(connection, {str(path): str(path)})


@contextmanager
def labels_of_source(source: str, query: str, root: Path) -> Iterator[GivenLabels]:
    """The rows of `monitor.labels`: of the files `source`, or of `query`, which can read these as the view `labels`.

    Raises UsageError or StageError if they cannot be read.
    """
    with _files(source, root) as files, _opened() as connection:
        connection.execute(f"SET file_search_path = {quoted_text(str(root))}")
        given = _read(connection, files) if files else None
        if not query:
            assert given is not None
            yield given
            return
        if given is not None:
            connection.register("labels", given.table)
        yield GivenLabels(_queried(connection, query))


def _queried(connection: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
    try:
        relation = connection.sql(query)
        if relation is None:
            raise UsageError(f"{_QUERY} is not a query that returns rows", help="write a SELECT")
        return relation.to_arrow_table()
    except duckdb.Error as error:
        help = "correct the query; it is DuckDB's SQL, and its files are relative to mlproject.yaml"
        raise UsageError(f"{_QUERY}: {_reason(error)}", help=help) from None


@contextmanager
def _opened() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection for which no Python variable is a table."""
    with session(QueryLimits()) as connection:
        connection.execute("SET python_enable_replacements = false")
        yield connection


def _read(connection: duckdb.DuckDBPyConnection, files: Mapping[str, str]) -> GivenLabels:
    """The rows of files of one format; `files` has their shown names by path."""
    shown = ", ".join(list(files.values())[:3]) + (", ..." if len(files) > 3 else "")
    reader = _READERS[_format(next(iter(files))) or ""]
    try:
        table = connection.sql(f"SELECT * FROM {reader.format(file_list(files))}").to_arrow_table()
    except duckdb.Error as error:
        raise UsageError(
            f"cannot read {shown}: {_reason(error)}", help="fix the file, or convert it to Parquet"
        ) from None
    counts = {str(entry["values"]): int(entry["counts"]) for entry in pc.value_counts(table[_FILE]).to_pylist()}
    given = tuple(LabelFile(Path(path), files[path], rows) for path, rows in counts.items())
    return GivenLabels(table.drop_columns([_FILE]), given)


@contextmanager
def _files(source: str, root: Path) -> Iterator[dict[str, str]]:
    """The files of a source with the names to show; none without a source. Files in S3 are downloaded."""
    if not source:
        yield {}
        return
    with _downloaded(source) if source.startswith("s3://") else nullcontext(_local(source, root)) as files:
        if not files:
            raise UsageError(f"no file of labels found: {source}", help="check monitor.labels.source")
        yield files


def _local(source: str, root: Path) -> dict[str, str]:
    names = sorted(glob.glob(source, root_dir=root, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
    paths = {str(root / name): name for name in names}
    return {path: name for path, name in paths.items() if Path(path).is_file() and Path(path).stat().st_size}


@contextmanager
def _downloaded(source: str) -> Iterator[dict[str, str]]:
    """Copies of the objects in S3 in a temporary folder."""
    try:
        import s3fs
        from botocore.exceptions import BotoCoreError
    except ModuleNotFoundError as error:
        help = "pip install 'mlspec[s3]'"
        raise StageError(f"labels in S3 need the package {error.name}", help=help) from None
    with tempfile.TemporaryDirectory(prefix="mlspec-labels-") as folder:
        files: dict[str, str] = {}
        try:
            remote = s3fs.S3FileSystem(skip_instance_cache=True)
            for number, name in enumerate(sorted(remote.glob(source))):
                path = str(Path(folder) / f"{number:06d}{PurePosixPath(name).suffix}")
                remote.get_file(name, path)
                files[path] = f"s3://{name}"
        except (OSError, BotoCoreError) as error:
            help = "check monitor.labels.source, the credentials, and that they may list and read it"
            raise StageError(f"cannot read {source}: {error}", help=help) from None
        yield files


def _format(name: str) -> str | None:
    suffix = PurePosixPath(name).suffix.lower().removeprefix(".")
    return suffix if suffix in FORMATS else None


def _reason(error: duckdb.Error) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
