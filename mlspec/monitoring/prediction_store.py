"""The store of predictions: sealed Parquet files and unsealed segments as one table, in SQL or in order of time."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from mlspec.monitoring.data_files import DayFiles, copy_rows, day_files
from mlspec.monitoring.duckdb_session import QueryLimits, arrow_batches, file_list, quoted_name, session
from mlspec.monitoring.log_columns import LogColumns, SqlType
from mlspec.monitoring.log_table import ARROW, days_of, parse_lines, rows_of
from mlspec.monitoring.sealing import Sealed, Sealer
from mlspec.monitoring.segments import Segment, segments
from mlspec.monitoring.store_folders import StoreFolders
from mlspec.records.bundle_signature import BundleSignature

_STORED: Final[Mapping[SqlType, str]] = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}
"""Types as DuckDB describes them, where that differs."""


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The files of one query: Parquet files by day, and Parquet copies of the unsealed lines, of any day."""

    sealed: Mapping[date, tuple[Path, ...]]
    unsealed: tuple[Path, ...]
    unsealed_days: frozenset[date]

    @property
    def days(self) -> list[date]:
        return sorted(self.sealed.keys() | self.unsealed_days)

    @property
    def paths(self) -> list[Path]:
        return [path for paths in self.sealed.values() for path in paths] + [*self.unsealed]

    def of_day(self, day: date) -> list[Path]:
        """The files that may have predictions of a day."""
        return [*self.sealed.get(day, ()), *self.unsealed]


class PredictionStore:
    """The predictions of one model in a folder that servers write and this class seals and reads."""

    def __init__(
        self,
        folder: Path,
        signature: BundleSignature,
        *,
        hashed: frozenset[str] = frozenset(),
        limits: QueryLimits | None = None,
    ) -> None:
        """`hashed`: inputs of which the log has only hashes."""
        self.folders = StoreFolders(folder)
        self.columns = LogColumns.of(signature, hashed)
        self.limits = limits or QueryLimits()

    def seal(self, now: datetime) -> Sealed:
        """Move closed segments into Parquet files. Does nothing while another process seals."""
        return Sealer(self.folders, self.columns, self.limits).seal(now)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
        """The result of a query of the view `predictions`: all predictions, sealed or not."""
        with session(self.limits) as connection, self._snapshot(connection) as snapshot:
            create_view(connection, self.columns.types, snapshot.paths)
            relation = connection.sql(sql, params=list(parameters))
            return relation.to_arrow_table() if relation is not None else pa.table({})

    def rows(
        self, since: datetime, until: datetime, columns: Sequence[str], *, version: str | None = None
    ) -> pa.RecordBatchReader:
        """Predictions of `since` <= time < `until` in order of time; read a day at a time as the reader proceeds."""
        types = self.columns.types
        schema = pa.schema([(name, ARROW[types.get(name, "VARCHAR")]) for name in columns])
        return pa.RecordBatchReader.from_batches(schema, self._batches(since, until, schema, version))

    def forget(self, before: date) -> int:
        """Delete all days before `before`; returns their number. Does nothing while a query reads."""
        old: set[date] = set()
        with self.folders.deleting() as alone:
            for folder in (self.folders.log, self.folders.data) if alone else ():
                days = [day for day in self.folders.days(folder) if day < before]
                for day in days:
                    shutil.rmtree(folder / day.isoformat())
                old.update(days)
        return len(old)

    def _batches(
        self, since: datetime, until: datetime, schema: pa.Schema, version: str | None
    ) -> Iterator[pa.RecordBatch]:
        names = ", ".join(quoted_name(name) for name in schema.names)
        condition = "time >= $since AND time < $until AND ($version IS NULL OR version = $version)"
        sql = f"SELECT {names} FROM predictions WHERE {condition} ORDER BY time, id"
        with session(self.limits) as connection, self._snapshot(connection) as snapshot:
            for day in snapshot.days:
                first, last = max(since, _midnight(day)), min(until, _midnight(day) + timedelta(days=1))
                if first < last:
                    create_view(connection, self.columns.types, snapshot.of_day(day))
                    values = {"since": first, "until": last, "version": version}
                    for batch in arrow_batches(connection, sql, values, self.limits.rows):
                        yield _cast(batch, schema)

    @contextmanager
    def _snapshot(self, connection: duckdb.DuckDBPyConnection) -> Iterator[_Snapshot]:
        """The files of the store at one moment; none of them is deleted while the block runs.

        Segments are listed first: one that is sealed in between is then named by a Parquet file.
        """
        with self.folders.reading(), tempfile.TemporaryDirectory(prefix="mlspec-unsealed-") as temporary:
            listed = {segment.name: segment for segment in segments(self.folders)}
            days = {day: day_files(self.folders, day) for day in self.folders.days(self.folders.data)}
            unsealed = _Unsealed(self.columns, self.limits.rows, days, connection, Path(temporary))
            for segment in listed.values():
                unsealed.add(segment)
            sealed = {day: tuple(file.path for file in files.current) for day, files in days.items()}
            yield _Snapshot(sealed, tuple(unsealed.paths), frozenset(unsealed.days))


@dataclass
class _Unsealed:
    """Copies of unsealed lines as Parquet files in a temporary folder, which bounds the memory of a query."""

    columns: LogColumns
    rows: int
    sealed: Mapping[date, DayFiles]
    connection: duckdb.DuckDBPyConnection
    folder: Path
    paths: list[Path] = field(default_factory=list)
    days: set[date] = field(default_factory=set)

    def add(self, segment: Segment) -> None:
        """Copy the lines of a segment except those of days that have it sealed."""
        try:
            file = segment.path.open("rb")
        except FileNotFoundError:  # its process closed it after it was listed
            file = segment.path.with_name(segment.name).open("rb")
        done = {day for day, files in self.sealed.items() if segment.name in files.segments}
        with file:
            while lines := list(islice(file, self.rows)):
                table = parse_lines(lines, self.columns).table
                for day in sorted(days_of(table) - done):
                    self._write(rows_of(table, day), day)

    def _write(self, table: pa.Table, day: date) -> None:
        path = self.folder / f"{len(self.paths)}.parquet"
        copy_rows(self.connection, table, path)
        self.paths.append(path)
        self.days.add(day)


def create_view(connection: duckdb.DuckDBPyConnection, types: Mapping[str, SqlType], paths: Sequence[Path]) -> None:
    """The view `predictions` over Parquet files: every column of `types`, then what only other versions have."""
    source = f"read_parquet({file_list(paths)}, union_by_name = true)"
    present: dict[str, str] = {}
    if paths:
        described = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
        present = {str(name): str(kind) for name, kind, *_ in described}
    selected = [_selected(name, kind, present.get(name)) for name, kind in types.items()]
    selected += [quoted_name(name) for name in present if name not in types]
    origin = f"FROM {source}" if paths else "WHERE false"
    connection.execute(f"CREATE OR REPLACE VIEW predictions AS SELECT {', '.join(selected)} {origin}")


def _selected(name: str, kind: SqlType, stored: str | None) -> str:
    """A column with the type of the signature, where files have another or none."""
    column = quoted_name(name)
    if stored == _STORED.get(kind, kind):
        return column
    if stored is None:
        return f"CAST(NULL AS {kind}) AS {column}"
    return f"TRY_CAST({column} AS {kind}) AS {column}"


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with the declared types: an id and columns of other versions as text."""
    arrays = [column.cast(field_.type) for column, field_ in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
