"""The errors of a model on the test split, by slice: what the quality of live slices is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mlspec.monitoring.baseline.quantile_grid import Floats, QuantileGrid
from mlspec.monitoring.baseline.reference import ColumnDistribution
from mlspec.monitoring.duckdb_session import QueryLimits, quoted_name, quoted_text, session
from mlspec.monitoring.row_slices import DRIFT, QUALITY, SliceableRows, definition, few_values, slice_errors
from mlspec.monitoring.split_columns import TEST
from mlspec.records.schema import Schema
from mlspec.sections.monitor_slice import LiveSlice

TESTED_ROWS: Final = 30
"""A slice with fewer rows of the test split has no quality to compare with."""
MOST_TESTED: Final = 50
"""Values of a slice whose quality is compared, the most frequent ones of the test split."""


def tested_slices(
    columns: Mapping[str, ColumnDistribution], hidden: Mapping[str, str], declared: Mapping[str, LiveSlice] | None
) -> tuple[Mapping[str, LiveSlice], dict[str, str]]:
    """The slices whose errors are compared, and their definitions: of hidden inputs live rows are in none of them."""
    slices = few_values(columns, hidden) if declared is None else declared
    shown = {name: how for name, how in slices.items() if (how.column or name) not in hidden and not how.of_answer_time}
    return shown, {name: definition(name, how) for name, how in shown.items()}


def test_errors(schema: Schema, actual: pa.ChunkedArray, table: pa.Table) -> Floats:
    """1 for a wrong label and 0 for the right one, or the absolute error, by row of the test split."""
    if schema.labels:
        wrong: Floats = pc.cast(pc.not_equal(actual, table["predicted"]), pa.float64()).to_numpy()
        return wrong
    known, predicted = (pc.cast(column, pa.float64()).to_numpy() for column in (actual, table["predicted"]))
    errors: Floats = np.abs(known - predicted)
    return errors


def errors_of_slices(
    artifacts: Path, schema: Schema, divisions: Mapping[str, LiveSlice], errors: Floats
) -> dict[str, dict[str, QuantileGrid]]:
    """The errors of the rows of each frequent slice of the test split; none without that split."""
    result: dict[str, dict[str, QuantileGrid]] = {}
    rows = SliceableRows({name: kind.type for name, kind in schema.inputs.items()})
    split = artifacts / TEST
    if not split.is_file() or pq.read_metadata(split).num_rows != len(errors):
        return result
    for name, how in divisions.items():
        if (expression := rows.expression(name, how)) is None:
            continue
        slices = slice_of_rows(split, schema, name, expression, QUALITY)
        counted = sorted(pc.value_counts(slices.drop_null()).to_pylist(), key=lambda each: -each["counts"])
        for value in [each["values"] for each in counted[:MOST_TESTED] if each["counts"] >= TESTED_ROWS]:
            inside = pc.fill_null(pc.equal(slices, value), False).to_numpy()
            result.setdefault(name, {})[value] = QuantileGrid.of(errors[inside])
    return result


def slice_of_rows(split: Path, schema: Schema, name: str, expression: str, key: str = DRIFT) -> pa.ChunkedArray:
    """The slice of each row of a split, in its order; null where a row is in none."""
    selected = []
    for column, kind in schema.inputs.items():
        if kind.type != "image":
            stored = f"CAST({quoted_name(column)} AS {'DOUBLE' if kind.type == 'number' else 'VARCHAR'})"
            selected.append(f"{stored} AS {quoted_name(f'input.{column}')}")
            if kind.type == "text":
                selected.append(f"length({stored}) AS {quoted_name(f'characters.{column}')}")
    rows = f"(SELECT file_row_number AS place, {', '.join(selected)} FROM read_parquet({quoted_text(str(split))}, "
    rows += "file_row_number = true)) p"
    with session(QueryLimits()) as connection:

        def run(text: str) -> pa.Table:
            return connection.sql(f"SELECT {text} AS slice FROM {rows} ORDER BY p.place").to_arrow_table()

        with slice_errors(key, run, {name: expression}):
            return run(expression)["slice"]
