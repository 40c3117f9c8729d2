"""Sealed Parquet files: written whole, sorted by time; their metadata says what they hold and what they replace."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from mlspec.errors import MlspecError
from mlspec.job import whole
from mlspec.monitoring.duckdb_session import disk_errors, file_list, key_values, quoted_text
from mlspec.monitoring.store_folders import StoreFolders

_SEGMENTS: Final = b"mlspec.segments"
_REPLACES: Final = b"mlspec.replaces"
_FIRST_TIER: Final = 2**16
"""Bytes of a file of the smallest size class; the next class is MERGE times as large."""
MERGE: Final = 8
"""So many files of one size class become one: each row is rewritten once for each class."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """One Parquet file of a day."""

    path: Path
    segments: frozenset[str]
    """Segments whose lines of this day it holds, as far as they were not deleted when it was written."""
    replaces: frozenset[str]
    """Names of the files of the same day whose rows it holds."""

    @property
    def name(self) -> str:
        """The name within its day."""
        return self.path.name

    @property
    def tier(self) -> int:
        """Its size class."""
        size, tier = self.path.stat().st_size, 0
        while size > _FIRST_TIER * MERGE**tier:
            tier += 1
        return tier


@dataclass(frozen=True, slots=True)
class DayFiles:
    """The Parquet files of one day."""

    current: tuple[DataFile, ...]
    replaced: tuple[DataFile, ...]
    """Files whose rows another one holds: left where a query still read them, or by a kill."""

    @property
    def segments(self) -> frozenset[str]:
        """The segments whose lines of this day are sealed."""
        return frozenset(name for file in self.current for name in file.segments)


def day_files(folders: StoreFolders, day: date) -> DayFiles:
    """The files of a day, by name."""
    folder = folders.data / day.isoformat()
    paths = sorted(folder.glob("*.parquet")) if folder.is_dir() else []
    files = [_read(path) for path in paths if not path.name.startswith(".")]
    names = {name for file in files for name in file.replaces}
    return DayFiles(
        tuple(f for f in files if f.name not in names),
        tuple(f for f in files if f.name in names),
    )


def write_rows(
    connection: duckdb.DuckDBPyConnection, folder: Path, table: pa.Table, segments: Iterable[str]
) -> DataFile:
    """A new file with the rows of `table`, which holds the lines of `segments` of one day."""
    connection.register("sealed_rows", table)
    try:
        query = "SELECT CAST(id AS UUID) AS id, * EXCLUDE (id) FROM sealed_rows ORDER BY time, id"
        return _write(connection, folder, query, frozenset(segments), frozenset())
    finally:
        connection.unregister("sealed_rows")


def copy_rows(connection: duckdb.DuckDBPyConnection, table: pa.Table, path: Path) -> None:
    """A copy of `table` for a query, not for the store."""
    connection.register("copied_rows", table)
    try:
        with disk_errors(f"cannot write {path.parent}"):
            query = "SELECT CAST(id AS UUID) AS id, * EXCLUDE (id) FROM copied_rows"
            connection.execute(f"COPY ({query}) TO {quoted_text(str(path))} (FORMAT parquet)")
    finally:
        connection.unregister("copied_rows")


def merge_files(
    connection: duckdb.DuckDBPyConnection, files: Sequence[DataFile], existing: Collection[str]
) -> DataFile:
    """A new file with the rows of `files` of one day; it names those of their segments that still exist."""
    query = f"SELECT * FROM read_parquet({file_list(f.path for f in files)}, union_by_name = true) ORDER BY time, id"
    segments = frozenset(name for file in files for name in file.segments if name in existing)
    replaces = frozenset(f.name for f in files)
    return _write(connection, files[0].path.parent, query, segments, replaces)


def mergeable(files: Iterable[DataFile]) -> list[list[DataFile]]:
    """Groups of at least MERGE files of one size class."""
    tiers: dict[int, list[DataFile]] = {}
    for file in files:
        tiers.setdefault(file.tier, []).append(file)
    return [group for _, group in sorted(tiers.items()) if len(group) >= MERGE]


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    query: str,
    segments: frozenset[str],
    replaces: frozenset[str],
) -> DataFile:
    path = folder / f"{uuid.uuid4().hex}.parquet"
    metadata = {
        '"mlspec.segments"': json.dumps(sorted(segments)),
        '"mlspec.replaces"': json.dumps(sorted(replaces)),
    }
    with disk_errors(f"cannot write {path.parent}"), whole(path) as partial:
        options = f"FORMAT parquet, COMPRESSION zstd, KV_METADATA {key_values(metadata)}"
        connection.execute(f"COPY ({query}) TO {quoted_text(str(partial))} ({options})")
        _sync(partial)
    sync_folder(folder)
    return DataFile(path, segments, replaces)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> DataFile:
    try:
        metadata = pq.read_metadata(path).metadata or {}
    except pa.ArrowInvalid as error:
        raise MlspecError(
            f"{path} is damaged: {error}", help="restore it from a backup, or move it to another folder"
        ) from None
    segments, replaces = (frozenset(json.loads(metadata.get(key, b"[]"))) for key in (_SEGMENTS, _REPLACES))
    return DataFile(path, segments, replaces)
