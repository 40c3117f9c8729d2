"""Closed segments to Parquet files by day, so that a kill at any point neither loses nor repeats a prediction.

A Parquet file appears whole and names its segments; a segment is deleted last. A segment whose lines belong to several
days is deleted when every one of these days has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from mlspec.monitoring.data_files import DataFile, day_files, merge_files, mergeable, write_rows
from mlspec.monitoring.duckdb_session import QueryLimits, session
from mlspec.monitoring.log_columns import LogColumns
from mlspec.monitoring.log_table import days_of, parse_lines, rows_of
from mlspec.monitoring.open_segments import Machine, OpenSegments, this_machine
from mlspec.monitoring.segments import Segment, close, segments
from mlspec.monitoring.store_folders import StoreFolders

BATCH_BYTES: Final = 128 * 2**20
"""Segments are sealed in groups of so many bytes, which bounds the memory."""
DAMAGED: Final = ".damaged"
"""Suffix of a segment without a single prediction: it is kept until its day is forgotten, and read by nothing."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What one call of `seal` did."""

    segments: int = 0
    rows: int = 0
    corrupt: int = 0
    """Lines that are not predictions: torn by a kill or a full disk."""
    closed: int = 0
    """Open segments of dead processes, now closed."""
    other_day: int = 0
    """Predictions whose time lies in another day than their segment: the clock jumped, or it was midnight."""
    busy: bool = False
    """Another process seals this store; this call did nothing."""


@dataclass(frozen=True, slots=True)
class _Lines:
    """The content of a segment."""

    segment: Segment
    table: pa.Table
    corrupt: int


def _nothing(_: str) -> None:
    """Ignore a step."""


@dataclass(frozen=True)
class Sealer:
    """Seals the segments of one store. `step` is called with the name of each step before it is done."""

    folders: StoreFolders
    columns: LogColumns
    limits: QueryLimits = field(default_factory=QueryLimits)
    step: Callable[[str], None] = _nothing
    publish: Callable[[], None] = lambda: None
    """Called when new Parquet files exist and before their segments are deleted: updates the profiles."""

    machine: Callable[[], Machine] = this_machine
    """The machine of this process."""

    def seal(self) -> Sealed:
        """Seal every closed segment; does nothing while another process seals."""
        with self.folders.sealing() as alone:
            if not alone:
                return Sealed(busy=True)
            closed = self._close_abandoned()
            result = Sealed(closed=closed)
            with session(self.limits) as connection:
                for group in _groups(s for s in segments(self.folders) if not s.is_open):
                    result = _sum(result, self._seal_group(connection, group))
                self.step("profiles")
                self.publish()
                self._merge(connection)
            return result

    def _close_abandoned(self) -> int:
        abandoned = OpenSegments(self.folders, self.machine).abandoned()
        for segment in abandoned:
            self.step("close")
            close(segment)
        return len(abandoned)

    def _seal_group(self, connection: duckdb.DuckDBPyConnection, group: Sequence[Segment]) -> Sealed:
        contents = [self._lines(segment) for segment in group]
        rows = sum(
            self._seal_day(connection, day, contents) for day in sorted({d for c in contents for d in days_of(c.table)})
        )
        self.step("publish")
        self._delete(contents)
        return Sealed(
            segments=len(group),
            rows=rows,
            corrupt=sum(c.corrupt for c in contents),
            other_day=sum(_other_day(c) for c in contents),
        )

    def _lines(self, segment: Segment) -> _Lines:
        with segment.path.open("rb") as file:
            parsed = parse_lines(file, self.columns)
        return _Lines(segment, parsed.table, parsed.corrupt)

    def _seal_day(self, connection: duckdb.DuckDBPyConnection, day: date, contents: Sequence[_Lines]) -> int:
        """Write the rows of `day` that no file of it has; returns their number."""
        sealed = day_files(self.folders, day).segments
        parts = {c.segment.name: rows_of(c.table, day) for c in contents if c.segment.name not in sealed}
        parts = {name: table for name, table in parts.items() if table.num_rows}
        if not parts:
            return 0
        self.step("write")
        table = pa.concat_tables(_same_types(list(parts.values())), promote_options="default")
        write_rows(connection, self.folders.data / day.isoformat(), table, parts)
        return int(table.num_rows)

    def _delete(self, contents: Sequence[_Lines]) -> None:
        """Delete sealed segments. While a query reads them they stay: the next call deletes them."""
        with self.folders.deleting() as alone:
            for content in contents if alone else ():
                self.step("delete")
                path = content.segment.path
                if content.table.num_rows or not content.corrupt:
                    path.unlink()
                else:
                    path.rename(path.with_name(path.name + DAMAGED))

    def _merge(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Merge small files of each day, and delete those that were merged."""
        existing = {segment.name for segment in segments(self.folders)}
        for day in self.folders.days(self.folders.data):
            files = day_files(self.folders, day)
            groups = mergeable(files.current)
            for group in groups:
                self.step("merge")
                merge_files(connection, group, existing)
            self._delete_replaced(day_files(self.folders, day).replaced if groups else files.replaced)

    def _delete_replaced(self, files: Iterable[DataFile]) -> None:
        with self.folders.deleting() as alone:
            for file in files if alone else ():
                self.step("delete-replaced")
                file.path.unlink()


def _groups(closed: Iterable[Segment]) -> Iterator[list[Segment]]:
    """Segments in groups of about BATCH_BYTES."""
    group: list[Segment] = []
    size = 0
    for segment in closed:
        group.append(segment)
        size += segment.path.stat().st_size
        if size >= BATCH_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _sum(one: Sealed, other: Sealed) -> Sealed:
    return Sealed(
        segments=one.segments + other.segments,
        rows=one.rows + other.rows,
        corrupt=one.corrupt + other.corrupt,
        closed=one.closed + other.closed,
        other_day=one.other_day + other.other_day,
    )


def _other_day(content: _Lines) -> int:
    folder = date.fromisoformat(content.segment.path.parent.name)
    return int(content.table.num_rows - rows_of(content.table, folder).num_rows)


def _same_types(tables: Sequence[pa.Table]) -> list[pa.Table]:
    """Tables in which a column that is text in any of them is text in all: numbers of another version as text."""
    text = {f.name for table in tables for f in table.schema if f.type == pa.string()}
    return [_with_text(table, text) for table in tables]


def _with_text(table: pa.Table, names: set[str]) -> pa.Table:
    for index, column in enumerate(table.schema):
        if column.name in names and column.type != pa.string():
            table = table.set_column(index, column.name, pc.cast(table[column.name], pa.string()))
    return table
