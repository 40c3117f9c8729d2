"""A DuckDB connection in memory with limits, and names and values as SQL text."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import duckdb
import pyarrow as pa

from mlspec.errors import MlspecError

MEMORY: Final = "700MB"
"""What DuckDB may use before it writes intermediate results to disk."""
_FULL: Final = ("No space left", "Disk quota", "File too large", "Permission denied", "Read-only file system")


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """What a query may use. `threads` None: one for each core."""

    memory: str = MEMORY
    threads: int | None = None
    rows: int = 50_000
    """Rows of a batch in memory."""


@contextmanager
def session(limits: QueryLimits) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in UTC that spills to a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="mlspec-duckdb-") as folder:
        options: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": limits.memory,
            "temp_directory": folder,
        }
        if limits.threads:
            options["threads"] = limits.threads
        with duckdb.connect(config=options) as connection:
            connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
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
