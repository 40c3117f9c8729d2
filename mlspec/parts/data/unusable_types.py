"""Values that no input or target can have: types of parquet columns, with the conversion to write, and unfit names."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from mlspec.errors import StageError
from mlspec.parts.data.cell_values import brief, missing, readings
from mlspec.parts.data.raw_rows import Raw
from mlspec.sections.column_names import LONGEST_VALUE, fault
from mlspec.sections.data import DataSpec


def conversion(column: str, kind: pa.DataType, wanted: str) -> str:
    """The edit of the data for a column of such a type; empty where values of the type can be used.

    `wanted` is what the values should be: a label, a number, text, category.
    """
    name = f"df[{column!r}]"
    seconds = wanted == "number"
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        edit = f'`{name} = {name}.str.decode("utf-8")`'
        return f"write texts in place of bytes, for example with pandas: {edit} (or with the encoding that they have)"
    if pa.types.is_duration(kind) and seconds:
        return f"write durations as seconds, for example with pandas: `{name} = {name}.dt.total_seconds()`"
    if pa.types.is_time(kind) and seconds:
        edit = f"`{name} = pandas.to_timedelta({name}.astype(str)).dt.total_seconds()`"
        return f"write times as seconds, for example with pandas: {edit}"
    if pa.types.is_duration(kind) or pa.types.is_time(kind):
        what = "durations" if pa.types.is_duration(kind) else "times"
        return f"write {what} as texts, for example with pandas: `{name} = {name}.astype(str)`"
    if pa.types.is_nested(kind):
        return f"name another column than `{column}`, or convert its values in a callable: each to one text or number"
    return ""


def refuse_unlabelled(data: DataSpec, raw: Raw, values: Sequence[object]) -> None:
    """Raise StageError at the first value of the target column of a type that cannot be a label."""
    row = next((row for row, value in enumerate(values) if not missing(value) and not readings(value)), None)
    if row is None:
        return
    kind = raw.table[data.target.column].type
    place = raw.place(row)
    other = "name a column of texts, numbers or booleans in data.target.column"
    raise StageError(
        f"`{data.target.column}` holds {kind}, which cannot be a label: "
        f"{place.file} row {place.row}: {brief(values[row])}",
        help=conversion(data.target.column, kind, "label") or other,
    )


def refuse_unnamed(data: DataSpec, raw: Raw, values: Sequence[object]) -> None:
    """Raise StageError at the first value that is too long for the name of a label, or not one line."""
    row = next((row for row, value in enumerate(values) if isinstance(value, str) and value and fault(value)), None)
    if row is None:
        return
    place, line = raw.place(row), raw.line(row)
    where = f"{place.file}{f' line {line}' if line else f' row {place.row}' if place.row else ''}"
    if data.written_as == "images":
        help = "rename the folder; or name the class by another folder: `data: {target: {level: NUMBER}}`"
    else:
        help = "is this the column of labels? data.target.column names it; "
        long = len(str(values[row])) > LONGEST_VALUE
        mapped = "give long values short names with `data: {target: {values: {VALUE: NAME}}}`"
        help += "write short labels in the data" if long else mapped
    raise StageError(f"{where}: the label in `{data.target.column}` {fault(str(values[row]))}", help=help)
