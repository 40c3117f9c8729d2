"""The errors of a model on the test split, by slice: what the quality of live slices is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mlspec.monitoring.baseline.quantile_grid import Floats, QuantileGrid
from mlspec.monitoring.baseline.reference import CategoryReference, ColumnDistribution
from mlspec.monitoring.duckdb_session import QueryLimits, quoted_name, quoted_text, session
from mlspec.monitoring.row_slices import DRIFT, QUALITY, SliceableRows, definition, few_values, slice_errors
from mlspec.monitoring.split_columns import TEST
from mlspec.records.schema import Schema
from mlspec.runtime.input_hash import VALUE_BYTES, input_hash, project_key
from mlspec.sections.monitor_slice import LiveSlice

TESTED_ROWS: Final = 30
"""A slice with fewer rows of the test split has no quality to compare with."""
MOST_TESTED: Final = 50
"""Values of a slice whose quality is compared, the most frequent ones of the test split."""


class LiveComparison(NamedTuple):
    """What a reference is for: slices for drift and for quality, and what the log of the project has of its inputs."""

    sliced: Mapping[str, LiveSlice] | None = None
    tested: Mapping[str, LiveSlice] | None = None
    """Default: the values of inputs with few of them."""
    hidden: Mapping[str, str] | None = None
    """Inputs of which the log has hashes, with the key of the project, or no values."""
    project: str = ""


IN_FULL: Final = LiveComparison()
"""Without declared slices, and with all inputs in the log."""


def tested_slices(
    columns: Mapping[str, ColumnDistribution], hidden: Mapping[str, str], declared: Mapping[str, LiveSlice] | None
) -> tuple[Mapping[str, LiveSlice], dict[str, str]]:
    """The slices whose errors are compared, and their definitions: those that live rows are in.

    Rows of hidden inputs are in none, but for the values of hashed categories.
    """
    slices = few_values(columns, hidden) if declared is None else declared
    shown = {}
    for name, how in slices.items():
        column = how.column or name
        hashed = by_hash(name, how, hidden) and isinstance(columns.get(column), CategoryReference)
        if not how.of_answer_time and (column not in hidden or hashed):
            shown[name] = how
    return shown, {name: tested_definition(name, how, hidden) for name, how in shown.items()}


def by_hash(name: str, how: LiveSlice, hidden: Mapping[str, str]) -> bool:
    """Whether live rows are in the slices of a division by the hash of the value, which is all that the log has."""
    return hidden.get(how.column or name) == "hashed" and how.by == "value" and not how.bins and not how.where


def tested_definition(name: str, how: LiveSlice, hidden: Mapping[str, str]) -> str:
    """The slice as text, with what its values are: another one has other values."""
    return definition(name, how) + (" hashed" if by_hash(name, how, hidden) else "")


def test_errors(schema: Schema, actual: pa.ChunkedArray, table: pa.Table) -> Floats:
    """1 for a wrong label and 0 for the right one, or the absolute error, by row of the test split."""
    if schema.labels:
        wrong: Floats = pc.cast(pc.not_equal(actual, table["predicted"]), pa.float64()).to_numpy()
        return wrong
    known, predicted = (pc.cast(column, pa.float64()).to_numpy() for column in (actual, table["predicted"]))
    errors: Floats = np.abs(known - predicted)
    return errors


def errors_of_slices(
    artifacts: Path, schema: Schema, divisions: Mapping[str, LiveSlice], errors: Floats, how: LiveComparison
) -> dict[str, dict[str, QuantileGrid]]:
    """The errors of the rows of each frequent slice of the test split, by its value as the log has it; none without
    that split."""
    result: dict[str, dict[str, QuantileGrid]] = {}
    rows = SliceableRows({name: kind.type for name, kind in schema.inputs.items()})
    split = artifacts / TEST
    if not split.is_file() or pq.read_metadata(split).num_rows != len(errors):
        return result
    for name, division in divisions.items():
        if (expression := rows.expression(name, division)) is None:
            continue
        slices = slice_of_rows(split, schema, name, expression, QUALITY)
        counted = sorted(pc.value_counts(slices.drop_null()).to_pylist(), key=lambda each: -each["counts"])
        for value in [each["values"] for each in counted[:MOST_TESTED] if each["counts"] >= TESTED_ROWS]:
            inside = pc.fill_null(pc.equal(slices, value), False).to_numpy()
            logged = value
            if by_hash(name, division, how.hidden or {}):
                logged = input_hash(value.encode(), VALUE_BYTES, project_key(how.project))
            result.setdefault(name, {})[logged] = QuantileGrid.of(errors[inside])
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
