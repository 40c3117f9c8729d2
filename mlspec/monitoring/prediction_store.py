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

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlspec.monitoring.baseline.reference import Reference
from mlspec.monitoring.data_files import DataFile, DayFiles, copy_rows, day_files
from mlspec.monitoring.duckdb_session import QueryLimits, arrow_batches, quoted_name, session
from mlspec.monitoring.log_columns import LogColumns
from mlspec.monitoring.log_table import ARROW, days_of, parse_lines, rows_of
from mlspec.monitoring.predictions_view import create_labels, create_view
from mlspec.monitoring.profile_counts import ProfileCounts, Profiler
from mlspec.monitoring.profile_files import read_profile, update_profile
from mlspec.monitoring.profile_table import NOTHING, merged
from mlspec.monitoring.sealing import Sealed, Sealer
from mlspec.monitoring.segments import Segment, segments
from mlspec.monitoring.store_folders import StoreFolders, label_files
from mlspec.records.bundle_signature import BundleSignature


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The files of one query: Parquet files by day, and Parquet copies of the unsealed lines, of any day."""

    sealed: Mapping[date, tuple[DataFile, ...]]
    unsealed: tuple[Path, ...]
    unsealed_days: frozenset[date]

    @property
    def days(self) -> list[date]:
        return sorted(self.sealed.keys() | self.unsealed_days)

    @property
    def paths(self) -> list[Path]:
        return [file.path for files in self.sealed.values() for file in files] + [*self.unsealed]

    def of_day(self, day: date) -> list[Path]:
        """The files that may have predictions of a day."""
        return [*(file.path for file in self.sealed.get(day, ())), *self.unsealed]


class PredictionStore:
    """The predictions of one model in a folder that servers write and this class seals and reads."""

    def __init__(
        self,
        folder: Path,
        signature: BundleSignature,
        *,
        hashed: frozenset[str] = frozenset(),
        reference: Reference | None = None,
        limits: QueryLimits | None = None,
    ) -> None:
        """`hashed`: inputs of which the log has only hashes; `reference`: gives profiles their bins."""
        self.folders = StoreFolders(folder)
        self.columns = LogColumns.of(signature, hashed)
        self.limits = limits or QueryLimits()
        self.profiler = Profiler(self.columns, reference)

    def seal(self) -> Sealed:
        """Move closed segments into Parquet files. Does nothing while another process seals."""
        return Sealer(self.folders, self.columns, self.limits, publish=self._update_profiles).seal()

    @property
    def empty(self) -> bool:
        """Whether there is neither a sealed prediction nor a segment."""
        return not self.folders.days(self.folders.data) and not any(segments(self.folders))

    def query(self, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
        """The result of a query of the views `predictions`: all predictions, sealed or not, and `labelled`: those with
        a label, which has the columns `actual`, `labelled_at` and `added_at` too."""
        with self.opened() as connection:
            return connection.sql(sql, params=list(parameters)).to_arrow_table()

    @contextmanager
    def opened(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection with the views `predictions`, `labels` and `labelled`, for several queries of one state."""
        with session(self.limits) as connection, self._snapshot(connection) as snapshot:
            create_view(connection, self.columns.types, snapshot.paths)
            create_labels(connection, label_files(self.folders), numbers=not self.columns.labels)
            yield connection

    def rows(
        self,
        since: datetime,
        until: datetime,
        columns: Sequence[str],
        *,
        version: str | None = None,
        computed: Mapping[str, str] | None = None,
        where: str = "true",
    ) -> pa.RecordBatchReader:
        """Predictions of `since` <= time < `until` in order of time; read a day at a time as the reader proceeds.

        `computed` has further columns of text by name, each an expression over the view `predictions` as `p`; `where`
        is a further condition on it.
        """
        types, texts = self.columns.types, computed or {}
        fields = [(name, ARROW[types.get(name, "VARCHAR")]) for name in columns]
        schema = pa.schema([*fields, *((name, ARROW["VARCHAR"]) for name in texts)])
        selected = [quoted_name(name) for name in columns]
        selected += [f"{expression} AS {quoted_name(name)}" for name, expression in texts.items()]
        batches = self._batches(
            since, until, schema, f"{', '.join(selected)} FROM predictions p WHERE ({where})", version
        )
        return pa.RecordBatchReader.from_batches(schema, batches)

    def profiles(self, since: datetime, until: datetime) -> pa.Table:
        """Hourly profiles of the hours that begin in `since` <= hour < `until`, unsealed predictions included."""
        with session(self.limits) as connection, self._snapshot(connection) as snapshot:
            sealed = [
                _hours(read_profile(self.folders, self.profiler, connection, day, files), since, until, day)
                for day, files in snapshot.sealed.items()
                if since.date() <= day <= until.date()
            ]
            unsealed = _hours(self._count(connection, snapshot.unsealed), since, until)
        table = pa.concat_tables([NOTHING, *sealed])
        return merged([table, unsealed]) if unsealed.num_rows else table

    def profile(self, since: datetime, until: datetime) -> pa.Table:
        """The same from the predictions themselves, which takes longer: seconds for a million of them."""
        with session(self.limits) as connection, self._snapshot(connection) as snapshot:
            files = [f for day, some in snapshot.sealed.items() if since.date() <= day <= until.date() for f in some]
            paths = [*(file.path for file in files), *snapshot.unsealed]
            return _hours(self._count(connection, paths), since, until)

    def _count(self, connection: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> pa.Table:
        if not paths:
            return NOTHING
        counts = ProfileCounts()
        create_view(connection, self.columns.types, paths)
        for batch in arrow_batches(connection, self.profiler.query, None, self.limits.rows):
            self.profiler.count(batch, counts)
        return counts.table()

    def _update_profiles(self) -> None:
        with session(self.limits) as connection:
            for day in self.folders.days(self.folders.data):
                update_profile(self.folders, self.profiler, connection, day)

    def forget(self, before: date) -> int:
        """Delete all days before `before`; returns their number. Does nothing while a query reads.

        What Elasticsearch refused, or has not received since, is deleted with them: it has their inputs too.
        """
        old: set[date] = set()
        with self.folders.deleting() as alone:
            for folder in (self.folders.log, self.folders.data, self.folders.refused) if alone else ():
                days = [day for day in self.folders.days(folder) if day < before]
                for day in days:
                    shutil.rmtree(folder / day.isoformat())
                old.update(days)
            for folder in (self.folders.profiles, self.folders.labels) if alone else ():
                for day in self.folders.days(folder):
                    if day < before:
                        (folder / f"{day}.parquet").unlink(missing_ok=True)
            for path in _files(self.folders.spool) if alone else ():
                if (written := _spooled(path)) is not None and written < before:
                    path.unlink(missing_ok=True)
        return len(old)

    def _batches(
        self, since: datetime, until: datetime, schema: pa.Schema, selected: str, version: str | None
    ) -> Iterator[pa.RecordBatch]:
        condition = "time >= $since AND time < $until AND ($version IS NULL OR version = $version)"
        sql = f"SELECT {selected} AND {condition} ORDER BY time, id"
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
            sealed = {day: files.current for day, files in days.items()}
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


def _hours(table: pa.Table, since: datetime, until: datetime, day: date | None = None) -> pa.Table:
    """The hours that begin in `since` <= hour < `until` of a table in order; of a profile of one `day` often all."""
    if day is not None and since <= _midnight(day) and _midnight(day) + timedelta(days=1) <= until:
        return table
    if not table.num_rows:
        return table
    hours = np.from_dlpack(pc.cast(table["hour"], pa.int64()).combine_chunks())  # `to_numpy` imports pandas
    first, last = (moment.timestamp() * 1_000_000 for moment in (since, until))
    start, end = np.searchsorted(hours, (first, last)).tolist()
    return table.slice(start, max(0, end - start))


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []


def _spooled(path: Path) -> date | None:
    """When a batch was spooled, by its name: the time of the file changes with every attempt to send it."""
    try:
        return datetime.fromtimestamp(int(path.name.partition("-")[0]) / 1e9, UTC).date()
    except (ValueError, OverflowError, OSError):
        return None


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with the declared types: an id and columns of other versions as text."""
    arrays = [column.cast(field_.type) for column, field_ in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
