"""Types that a column of a parquet file can have and no input or target has: how to write such values otherwise."""

from __future__ import annotations

import pyarrow as pa


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
