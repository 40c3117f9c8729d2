"""Labelled predictions as rows for training: the Parquet files in the folder `data.collected`.

Each file has the inputs as the model received them and the target as it is predicted (the name of the label, or a
number). The rows are added to the split `train` alone: `valid` and `test` stay what they were, so that metrics of
several trainings can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mlspec.errors import StageError
from mlspec.records.decisions import Decision
from mlspec.sections.data import DataSpec


@dataclass(frozen=True, slots=True)
class CollectedRows:
    """The rows of all files, with the types of the split they are added to."""

    table: pa.Table
    files: tuple[tuple[str, int], ...] = ()
    """Path in the project and number of rows of each file, in the order of the rows."""

    @property
    def decisions(self) -> list[Decision]:
        """What was added, for the report; nothing where no row was."""
        rows = self.table.num_rows
        if not rows:
            return []
        added = f"{rows} labelled predictions of {len(self.files)} file{'s' * (len(self.files) != 1)} added to train"
        return [Decision("rows collected", added, "data.collected")]

    def added_to(self, train: pa.Table) -> pa.Table:
        """`train` with the rows at its end; columns that predictions do not have are null there."""
        return pa.concat_tables([train, self.table], promote_options="default") if self.table.num_rows else train


def collected_rows(data: DataSpec, root: Path, train: pa.Table, labels: list[str]) -> CollectedRows:
    """The rows of the folder `data.collected`. Raises StageError for a file that does not fit the inputs."""
    names = [*data.columns, data.target.column]
    schema = pa.schema([train.schema.field(name) for name in names])
    if data.collected is None:
        return CollectedRows(schema.empty_table())
    tables, files = [], []
    for path in sorted((root / data.collected).glob("*.parquet")):
        name = path.relative_to(root).as_posix()
        table = _typed(_read(path, name), name, schema, data.target.column, labels)
        tables.append(table)
        files.append((name, table.num_rows))
    return CollectedRows(pa.concat_tables([schema.empty_table(), *tables]), tuple(files))


def _read(path: Path, name: str) -> pa.Table:
    try:
        with pq.ParquetFile(path) as opened:
            return opened.read()
    except (OSError, pa.ArrowException) as error:
        help = "remove the file, or restore it: it was written by `mlspec monitor retrain`"
        raise StageError(f"cannot read {name}: {error}", help=help) from None


def _typed(table: pa.Table, name: str, schema: pa.Schema, target: str, labels: list[str]) -> pa.Table:
    missing = [column for column in schema.names if column not in table.column_names]
    if missing:
        help = "the inputs changed since the rows were collected: add the columns to the file, or remove it"
        raise StageError(f"{name} has no column {', '.join(missing)}", help=help)
    table = table.select(schema.names)
    if labels:
        table = _with_positions(table, name, target, labels)
    try:
        table = table.cast(schema)
    except pa.ArrowException as error:
        help = "an input changed its type since the rows were collected: remove the file"
        raise StageError(f"{name} does not fit the inputs: {error}", help=help) from None
    if table[target].null_count:
        raise StageError(f"{name} has rows without a value of {target}", help="remove these rows")
    return table


def _with_positions(table: pa.Table, name: str, target: str, labels: list[str]) -> pa.Table:
    """The table with the positions of the labels instead of their names."""
    positions = pc.index_in(table[target].cast(pa.string()), pa.array(labels, pa.string()))
    unknown = pc.unique(table[target].filter(pc.is_null(positions))).to_pylist()
    if unknown:
        shown = ", ".join(str(label) for label in unknown[:5])
        raise StageError(
            f"{name} has labels that the target does not have: {shown}", help=f"the labels are {', '.join(labels)}"
        )
    at = table.column_names.index(target)
    return table.set_column(at, target, positions.cast(pa.int64()))
