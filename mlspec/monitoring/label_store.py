"""Labels that arrive after their predictions, joined by id or by request id and row, a Parquet file for each day.

The first label of a prediction is kept: a later one that differs is counted as conflicting, unless `replace` is set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

import duckdb
import pyarrow as pa

from mlspec.errors import UsageError
from mlspec.job import whole
from mlspec.monitoring.duckdb_session import disk_errors, file_list, quoted_text
from mlspec.monitoring.label_problems import LabelProblem, label_problems
from mlspec.monitoring.prediction_store import PredictionStore
from mlspec.monitoring.store_folders import StoreFolders

LATE: Final = 1
"""Days after its prediction from which on a label counts as late."""
_HELP: Final = "columns: `id`, or `request_id` (and `row`, from 0); `label` or `value`; optionally `time`"


@dataclass(frozen=True, slots=True)
class LabelsAdded:
    """What happened to the rows of one table of labels."""

    rows: int = 0
    added: int = 0
    replaced: int = 0
    """Labels that differed from the stored one and replaced it; only with `replace`."""
    late: int = 0
    """Of the added ones, those more than LATE days after their prediction."""
    duplicate: int = 0
    """Rows that repeat a label that is stored, or an earlier row."""
    conflicting: int = 0
    """Rows that differ from the stored label or from an earlier row of the table: the first one is kept."""
    unknown: int = 0
    """Rows whose prediction the store does not have: not stored; add them again when it has."""
    missing: int = 0
    """Rows without a label, or without an id."""
    invalid: int = 0
    """Labels that the model does not have, or values that are not numbers."""
    problems: tuple[LabelProblem, ...] = field(default=(), compare=False)
    """The first rows of each kind that were not stored unchanged, in order."""


@dataclass(frozen=True)
class LabelStore:
    """The labels beside the predictions of a store."""

    predictions: PredictionStore

    @property
    def folders(self) -> StoreFolders:
        """The folders of the store."""
        return self.predictions.folders

    def add(self, table: pa.Table, now: datetime, *, replace: bool = False) -> LabelsAdded:
        """Store the labels of `table`. Adding a table twice changes nothing the second time.

        Raises UsageError if the table lacks a column.
        """
        columns = _Given.of(table)
        with self.folders.labelling(), self.predictions.opened() as connection:
            connection.register("given_rows", table)
            self._match(connection, columns, now)
            counts = _classify(connection, table.num_rows, replace)
            added = _moment(connection, now)
            for (day,) in connection.execute("SELECT DISTINCT CAST(time AS DATE) FROM fresh ORDER BY 1").fetchall():
                self._write(connection, day, added)
        return counts

    def _match(self, connection: duckdb.DuckDBPyConnection, columns: _Given, now: datetime) -> None:
        """The tables `given`: all rows, `matched`: those with a prediction, and `valid`: those with a valid label."""
        connection.execute(
            f"CREATE TEMP TABLE given AS SELECT row_number() OVER () AS place, {columns.key} AS key, "
            f"{columns.row} AS row, coalesce({columns.time}, ?) AS labelled, "
            f"nullif(trim(CAST({columns.answer} AS VARCHAR)), '') AS answer "
            "FROM given_rows",
            [now],
        )
        connection.execute(
            f"CREATE TEMP TABLE matched AS SELECT g.place, {self._answer} AS answer, g.answer AS given, g.labelled, "
            "p.id, p.time "
            f"FROM given g JOIN predictions p ON {columns.match} WHERE p.outcome = 'success' AND g.answer IS NOT NULL"
        )
        connection.execute("CREATE TEMP TABLE valid AS SELECT * FROM matched WHERE answer IS NOT NULL")

    @property
    def _answer(self) -> str:
        """The label of a row in SQL, NULL where the model does not have it: a name, or an index of texts."""
        labels = self.predictions.columns.labels
        if not labels:
            return "CASE WHEN isfinite(TRY_CAST(g.answer AS DOUBLE)) THEN g.answer END"
        names = ", ".join(quoted_text(label) for label in labels)
        index = f"([{names}])[TRY_CAST(g.answer AS INTEGER) + 1]" if not any(map(str.isdigit, labels)) else "NULL"
        return f"CASE WHEN g.answer IN ({names}) THEN g.answer ELSE {index} END"

    def _write(self, connection: duckdb.DuckDBPyConnection, day: date, added: datetime) -> None:
        """Rewrite the labels of one day of predictions, whole or not at all."""
        path = self.folders.labels / f"{day.isoformat()}.parquet"
        query = (
            f"SELECT id, time, labelled, answer, TIMESTAMPTZ '{added.isoformat()}' AS added FROM fresh "
            f"WHERE CAST(time AS DATE) = DATE '{day.isoformat()}'"
        )
        if path.is_file():
            old = f"SELECT * FROM read_parquet({file_list([path])}) WHERE id NOT IN (SELECT id FROM fresh)"
            query = f"{query} UNION ALL BY NAME {old}"
        with disk_errors(f"cannot write {path}"), whole(path) as partial:
            ordered = f"SELECT * FROM ({query}) ORDER BY time, id"
            connection.execute(f"COPY ({ordered}) TO {quoted_text(str(partial))} (FORMAT parquet, COMPRESSION zstd)")


@dataclass(frozen=True, slots=True)
class _Given:
    """The columns of a table of labels in SQL, and how they match predictions."""

    key: str
    row: str
    time: str
    answer: str
    match: str

    @classmethod
    def of(cls, table: pa.Table) -> _Given:
        names = table.column_names
        answers = [name for name in ("label", "value") if name in names]
        keys = [name for name in ("id", "request_id") if name in names]
        if len(answers) != 1 or not keys:
            lacks = "`id` or `request_id`" if not keys else "`label` or `value`, and not both"
            raise UsageError(f"the labels need the column {lacks}; they have {_shown(names)}", help=_HELP)
        by_id = "id" in keys
        return cls(
            key="nullif(lower(replace(trim(CAST(id AS VARCHAR)), '-', '')), '')"
            if by_id
            else "nullif(trim(CAST(request_id AS VARCHAR)), '')",
            row="TRY_CAST(row AS INTEGER)" if "row" in names else "NULL::INTEGER",
            time="TRY_CAST(time AS TIMESTAMPTZ)" if "time" in names else "NULL::TIMESTAMPTZ",
            answer=answers[0],
            match="p.id = TRY_CAST(g.key AS UUID)"
            if by_id
            else "p.request_id = g.key AND coalesce(p.row, 0) = coalesce(g.row, 0)",
        )


def _classify(connection: duckdb.DuckDBPyConnection, rows: int, replace: bool) -> LabelsAdded:
    """Create the table `fresh` of labels to store, and count all rows. The first row of a prediction decides."""
    connection.execute(
        "CREATE TEMP TABLE compared AS SELECT v.*, l.answer AS old, first_value(v.answer) OVER ids AS first, "
        "first_value(v.place) OVER ids AS first_place, row_number() OVER ids AS number "
        "FROM valid v LEFT JOIN labels l ON l.id = v.id "
        "WINDOW ids AS (PARTITION BY v.id ORDER BY v.place)"
    )
    changed = "OR old <> answer" if replace else ""
    connection.execute(
        f"CREATE TEMP TABLE fresh AS SELECT * FROM compared WHERE number = 1 AND (old IS NULL {changed})"
    )
    kept = "CASE WHEN number > 1 THEN first ELSE old END"
    conflicting = _count(connection, f"compared WHERE {kept} <> answer")
    replaced = _count(connection, "fresh WHERE old IS NOT NULL")
    missing = _count(connection, "given WHERE answer IS NULL OR key IS NULL")
    known, valid = (_count(connection, table, "DISTINCT place") for table in ("matched", "valid"))
    return LabelsAdded(
        rows=rows,
        added=_count(connection, "fresh WHERE old IS NULL"),
        replaced=replaced,
        late=_count(connection, f"fresh WHERE labelled - time > INTERVAL {LATE} DAY"),
        duplicate=_count(connection, f"compared WHERE {kept} = answer"),
        conflicting=conflicting - replaced,
        unknown=rows - missing - known,
        missing=missing,
        invalid=known - valid,
        problems=label_problems(connection, replaced=replace),
    )


def _moment(connection: duckdb.DuckDBPyConnection, now: datetime) -> datetime:
    """When labels are added: now, and always after those that were added before, whatever the clock says.

    The detectors take the labels that were added since they looked.
    """
    row = connection.execute("SELECT MAX(added) FROM labels").fetchone()
    newest: datetime | None = row[0] if row else None
    return now if newest is None else max(now, newest + timedelta(microseconds=1))


def _count(connection: duckdb.DuckDBPyConnection, source: str, what: str = "*") -> int:
    row = connection.execute(f"SELECT count({what}) FROM {source}").fetchone()
    return int(row[0]) if row else 0


def _shown(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names[:10]) or "no column"
