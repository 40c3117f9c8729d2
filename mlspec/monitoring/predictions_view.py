"""The view `predictions` over Parquet files that may have been written by versions with other columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import duckdb

from mlspec.monitoring.duckdb_session import file_list, quoted_name
from mlspec.monitoring.log_columns import SqlType

_STORED: Final[Mapping[SqlType, str]] = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}
"""Types as DuckDB describes them, where that differs."""


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


def create_labels(connection: duckdb.DuckDBPyConnection, paths: Sequence[Path], *, numbers: bool) -> None:
    """The views `labels` over label files, and `labelled`: predictions with a label, `actual`, a number or text."""
    columns = {"id": "UUID", "time": "TIMESTAMPTZ", "labelled": "TIMESTAMPTZ", "answer": "VARCHAR"}
    known = {**columns, "added": "TIMESTAMPTZ"}  # earlier versions did not store when a label was added
    empty = f"SELECT {', '.join(f'CAST(NULL AS {kind}) AS {name}' for name, kind in known.items())} WHERE false"
    source = f"{empty} UNION ALL BY NAME SELECT * FROM read_parquet({file_list(paths)}, union_by_name = true)"
    selected = f"SELECT * REPLACE (coalesce(added, labelled) AS added) FROM ({source if paths else empty})"
    connection.execute(f"CREATE OR REPLACE VIEW labels AS {selected}")
    actual = "CAST(l.answer AS DOUBLE)" if numbers else "l.answer"
    connection.execute(
        f"CREATE OR REPLACE VIEW labelled AS SELECT p.*, {actual} AS actual, l.labelled AS labelled_at, "
        "l.added AS added_at "
        "FROM predictions p JOIN labels l ON l.id = p.id"
    )


def _selected(name: str, kind: SqlType, stored: str | None) -> str:
    """A column with the type of the signature, where files have another or none."""
    column = quoted_name(name)
    if stored == _STORED.get(kind, kind):
        return column
    if stored is None:
        return f"CAST(NULL AS {kind}) AS {column}"
    return f"TRY_CAST({column} AS {kind}) AS {column}"
