"""A DuckDB connection in memory with limits, and names and values as SQL text."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count
from typing import Final

import duckdb
import pyarrow as pa

from mlspec.errors import MlspecError

MEMORY: Final = "700MB"
"""What DuckDB may use before it writes intermediate results to disk."""
_SETTINGS: Final = "SET TimeZone = 'UTC'; SET enable_progress_bar = false"
_FULL: Final = ("No space left", "Disk quota", "File too large", "Permission denied", "Read-only file system")


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """What a query may use. `threads` None: one for each core."""

    memory: str = MEMORY
    threads: int | None = None
    rows: int = 50_000
    """Rows of a batch in memory."""


@dataclass(frozen=True, slots=True)
class _Database:
    """A database in memory that several sessions use."""

    limits: QueryLimits
    connection: duckdb.DuckDBPyConnection
    numbers: Iterator[int] = field(default_factory=count)

    def serves(self, limits: QueryLimits) -> bool:
        return (limits.memory, limits.threads) == (self.limits.memory, self.limits.threads)


_DATABASE: ContextVar[_Database | None] = ContextVar("_DATABASE", default=None)


@contextmanager
def one_database(limits: QueryLimits = QueryLimits()) -> Iterator[None]:
    """Start DuckDB once for all sessions within that have these limits: a start takes longer than most queries."""
    known = _DATABASE.get()
    if known is not None and known.serves(limits):
        yield
        return
    with _connected(limits) as connection:
        token = _DATABASE.set(_Database(limits, connection))
        try:
            yield
        finally:
            _DATABASE.reset(token)


@contextmanager
def session(limits: QueryLimits) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in UTC that spills to a temporary folder, with views and tables of its own."""
    database = _DATABASE.get()
    if database is None or not database.serves(limits):
        with _connected(limits) as connection:
            connection.execute(_SETTINGS)
            yield connection
        return
    name = f"session_{next(database.numbers)}"
    with database.connection.cursor() as connection:
        connection.execute(f"ATTACH ':memory:' AS {name}; USE {name}; {_SETTINGS}")
        try:
            yield connection
        finally:
            with suppress(duckdb.Error):  # after a query that failed for want of memory or disk
                connection.execute(f"USE memory; DETACH {name}")


@contextmanager
def _connected(limits: QueryLimits) -> Iterator[duckdb.DuckDBPyConnection]:
    with tempfile.TemporaryDirectory(prefix="mlspec-duckdb-") as folder:
        options: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": limits.memory,
            "temp_directory": folder,
        }
        if limits.threads:
            options["threads"] = limits.threads
        with duckdb.connect(config=options) as connection:
            yield connection


def arrow_batches(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: object, rows: int
) -> Iterator[pa.RecordBatch]:
    """The result of a query in batches of `rows`."""
    yield from connection.sql(sql, params=parameters).to_arrow_reader(rows)


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Turn DuckDB's errors about a full or forbidden disk into an MlspecError."""
    try:
        yield
    except duckdb.IOException as error:
        reason = next((text for text in _FULL if text in str(error)), "")
        if not reason:
            raise
        raise MlspecError(
            f"{what}: {reason}", help="free disk space or fix the permissions, then run the command again"
        ) from None


def quoted_name(name: str) -> str:
    """A column name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def quoted_text(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"


def file_list(paths: Iterable[object]) -> str:
    """Paths as a list in SQL."""
    return f"[{', '.join(quoted_text(str(path)) for path in paths)}]"


def key_values(values: Mapping[str, str]) -> str:
    """Metadata of a Parquet file in SQL."""
    return "{" + ", ".join(f"{name}: {quoted_text(value)}" for name, value in values.items()) + "}"
