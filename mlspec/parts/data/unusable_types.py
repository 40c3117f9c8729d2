"""Values that cannot be an input or a label: unsupported parquet types with their conversion, invalid label names."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from mlspec.errors import StageError
from mlspec.parts.data.cell_values import brief, missing, readings
from mlspec.parts.data.raw_rows import Raw
from mlspec.sections.column_names import LONGEST_VALUE, fault
from mlspec.sections.data import DataSpec


def conversion(column: str, kind: pa.DataType, goal: str) -> str:
    """The edit of the data that converts a column of type `kind`; empty if the type is supported.

    `goal` is the required type: label, number, text or category.
    """
    name = f"df[{column!r}]"
    seconds = goal == "number"
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        edit = f'`{name} = {name}.str.decode("utf-8")`'
        return f"write strings instead of bytes, for example with pandas: {edit} (with the encoding of the bytes)"
    if pa.types.is_duration(kind) and seconds:
        return f"write durations as seconds, for example with pandas: `{name} = {name}.dt.total_seconds()`"
    if pa.types.is_time(kind) and seconds:
        edit = f"`{name} = pandas.to_timedelta({name}.astype(str)).dt.total_seconds()`"
        return f"write times as seconds, for example with pandas: {edit}"
    if pa.types.is_duration(kind) or pa.types.is_time(kind):
        what = "durations" if pa.types.is_duration(kind) else "times"
        return f"write {what} as strings, for example with pandas: `{name} = {name}.astype(str)`"
    if pa.types.is_nested(kind):
        return f"use another column than `{column}`, or convert each value to a string or number in a callable"
    return ""


def refuse_unlabelled(data: DataSpec, raw: Raw, values: Sequence[object]) -> None:
    """Raise StageError for the first value of the target column whose type cannot be a label."""
    row = next((row for row, value in enumerate(values) if not missing(value) and not readings(value)), None)
    if row is None:
        return
    kind = raw.table[data.target.column].type
    place = raw.place(row)
    other = "set data.target.column to a column of strings, numbers or booleans"
    raise StageError(
        f"`{data.target.column}` has the type {kind}, which cannot be a label: "
        f"{place.file} row {place.row}: {brief(values[row])}",
        help=conversion(data.target.column, kind, "label") or other,
    )


def refuse_unnamed(data: DataSpec, raw: Raw, values: Sequence[object]) -> None:
    """Raise StageError for the first value that is too long for a label, or has several lines."""
    row = next((row for row, value in enumerate(values) if isinstance(value, str) and value and fault(value)), None)
    if row is None:
        return
    place, line = raw.place(row), raw.line(row)
    where = f"{place.file}{f' line {line}' if line else f' row {place.row}' if place.row else ''}"
    if data.written_as == "images":
        help = "rename the folder, or use another folder level as the class: `data: {target: {level: NUMBER}}`"
    else:
        help = "check that data.target.column is the column of labels; "
        long = len(str(values[row])) > LONGEST_VALUE
        mapped = "map long values to short labels with `data: {target: {values: {VALUE: NAME}}}`"
        help += "write short labels in the data" if long else mapped
    raise StageError(f"{where}: the label in `{data.target.column}` {fault(str(values[row]))}", help=help)
