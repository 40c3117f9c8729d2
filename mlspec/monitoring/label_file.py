"""A file of labels to a table: CSV, Parquet or JSON lines."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from mlspec.errors import UsageError
from mlspec.monitoring.duckdb_session import QueryLimits, quoted_text, session

_READERS: Final = {
    ".csv": "read_csv({}, header = true, all_varchar = true)",
    ".tsv": "read_csv({}, header = true, all_varchar = true, delim = '\t')",
    ".parquet": "read_parquet({})",
    ".jsonl": "read_json({}, format = 'newline_delimited')",
    ".ndjson": "read_json({}, format = 'newline_delimited')",
}


def read_labels(path: Path) -> pa.Table:
    """The rows of a file of labels. Raises UsageError if it cannot be read."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f"cannot read {path}: unknown suffix `{path.suffix}`", help=f"use {', '.join(_READERS)}")
    if not path.is_file():
        raise UsageError(f"file not found: {path}", help="check the path")
    if not path.stat().st_size:
        raise UsageError(f"{path} is empty", help="write a header and a row for each label")
    try:
        with session(QueryLimits()) as connection:
            return connection.sql(f"SELECT * FROM {reader.format(quoted_text(str(path)))}").to_arrow_table()
    except duckdb.Error as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(f"cannot read {path}: {reason}", help="fix the file, or convert it to Parquet") from None
