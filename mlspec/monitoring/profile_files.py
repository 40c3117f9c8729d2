"""Hourly profiles of a day as one Parquet file, which names the data files that it covers and its reference."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from mlspec.job import whole
from mlspec.monitoring.data_files import DataFile, day_files
from mlspec.monitoring.duckdb_session import QueryLimits, arrow_batches
from mlspec.monitoring.predictions_view import create_view
from mlspec.monitoring.profile_counts import ProfileCounts, Profiler
from mlspec.monitoring.profile_table import NOTHING, SCHEMA, merged
from mlspec.monitoring.store_folders import StoreFolders

_FILES: Final = b"mlspec.files"
_REFERENCE: Final = b"mlspec.reference"


@dataclass(frozen=True, slots=True)
class _Profile:
    """A stored profile, and the names of the data files that it covers."""

    table: pa.Table
    files: frozenset[str]


def update_profile(folders: StoreFolders, profiler: Profiler, connection: duckdb.DuckDBPyConnection, day: date) -> None:
    """Bring the profile of a day up to date with its data files. A kill leaves the old one or the new one."""
    files = day_files(folders, day).current
    stored = _stored(folders, profiler, day, files)
    names = frozenset(file.name for file in files)
    if stored.files == names:
        return
    table = _completed(stored, profiler, connection, files)
    metadata = {_FILES: json.dumps(sorted(names)).encode(), _REFERENCE: _digest(profiler)}
    folders.profiles.mkdir(parents=True, exist_ok=True)
    with whole(_path(folders, day)) as partial:
        pq.write_table(table.replace_schema_metadata(metadata), partial, compression="zstd")


def read_profile(
    folders: StoreFolders,
    profiler: Profiler,
    connection: duckdb.DuckDBPyConnection,
    day: date,
    files: Sequence[DataFile],
) -> pa.Table:
    """The profile of a day's data files; what the stored one lacks is counted."""
    return _completed(_stored(folders, profiler, day, files), profiler, connection, files)


def _completed(
    stored: _Profile, profiler: Profiler, connection: duckdb.DuckDBPyConnection, files: Sequence[DataFile]
) -> pa.Table:
    left = [file.path for file in files if not _covered(file, stored.files)]
    if not left:
        return stored.table
    counts = ProfileCounts()
    create_view(connection, profiler.columns.types, left)
    for batch in arrow_batches(connection, profiler.query, None, QueryLimits().rows):
        profiler.count(batch, counts)
    return merged([stored.table, counts.table()]) if stored.files else counts.table()


def _stored(folders: StoreFolders, profiler: Profiler, day: date, files: Sequence[DataFile]) -> _Profile:
    """The stored profile; an empty one where it is missing or damaged, has another reference, or covers only a part of
    the rows of a data file."""
    nothing = _Profile(NOTHING, frozenset())
    try:
        with pq.ParquetFile(_path(folders, day)) as file:  # `read_table` takes twice as long
            table = file.read()
    except (OSError, pa.ArrowInvalid):
        return nothing
    metadata = table.schema.metadata or {}
    names = frozenset(json.loads(metadata.get(_FILES, b"[]")))
    partly = any(file.replaces & names and not _covered(file, names) for file in files)
    if metadata.get(_REFERENCE) != _digest(profiler) or partly:
        return nothing
    return _Profile(table.cast(SCHEMA), names)


def _covered(file: DataFile, names: frozenset[str]) -> bool:
    return file.name in names or (bool(file.replaces) and file.replaces <= names)


def _digest(profiler: Profiler) -> bytes:
    """What the bins depend on."""
    known = profiler.reference
    return json.dumps([f"{known.digest}-{known.version}" if known else "", sorted(profiler.names)]).encode()


def _path(folders: StoreFolders, day: date) -> Path:
    return folders.profiles / f"{day.isoformat()}.parquet"
