"""Raw rows to columns of the types that docs/architecture.md gives, and the values that have no such type."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlspec.errors import StageError
from mlspec.parts.data.images import images
from mlspec.parts.data.raw import Failure, Raw
from mlspec.parts.data.spec import DataSpec, Target

LARGEST = 1e150
"""The square of a larger number is no longer a number, and a spread could not be computed."""

_COMMA = re.compile(r"[-+]?[0-9]+,[0-9]+")

Typed = tuple[pa.Array, list[Failure]]


def typed(data: DataSpec, raw: Raw, labels: list[str], root: Path) -> tuple[Raw, list[Failure]]:
    """The rows with inputs and target converted. Every value that cannot be is in the failures."""
    failures: list[Failure] = []
    made = raw
    for name, spec in data.columns.items():
        if spec.type == "image":
            column, failed, decided = images(data, raw, name, root)
            first = replace(made.pieces[0], decisions=(*made.pieces[0].decisions, *decided))
            made = replace(made, pieces=(first, *made.pieces[1:]))
        else:
            column, failed = _text(raw, name) if spec.type != "number" else _number(data, raw, name)
        made, failures = made.with_column(name, column), failures + failed
    column, failed = _target(data, raw, labels)
    return made.with_column(data.target.column, column), failures + failed


def labels(data: DataSpec, raw: Raw) -> list[str]:
    """The labels in order: as the spec gives them, or all that occur."""
    if data.target.type == "number":
        return []
    found = {data.target.values.get(word, word) for word in _words(raw.table[data.target.column]) if word is not None}
    return list(data.target.labels) or sorted(found)


def _text(raw: Raw, name: str) -> Typed:
    column = raw.table[name]
    try:
        return pc.cast(column, pa.string()).combine_chunks(), []
    except pa.ArrowException:
        raise StageError(f"`{name}` holds {column.type}, which is no text", help="see data.inputs") from None


def _number(data: DataSpec, raw: Raw, name: str) -> Typed:
    column = raw.table[name]
    values: list[float | None]
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_boolean(column.type):
        numbers = pc.cast(column, pa.float64(), safe=False)
        bad: list[int] = []
    else:
        comma = data.format.decimal == ","
        values, bad = _parsed(column.to_pylist(), {*data.format.nulls, ""}, comma)
        numbers = pa.chunked_array([pa.array(values, pa.float64())])
    numbers = pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
    large = _rows(pc.greater(pc.abs(numbers), LARGEST))
    what = "is not a number"
    if bad and all(_COMMA.fullmatch(str(column[row].as_py())) for row in bad):
        what += ' (with a decimal comma? `data: {format: {decimal: ","}}`)'
    failures = raw.failure(name, what, bad) + raw.failure(name, "is too large", large)
    return numbers.combine_chunks(), failures


def _parsed(found: Iterable[object], nulls: set[str], comma: bool) -> tuple[list[float | None], list[int]]:
    values: list[float | None] = []
    bad: list[int] = []
    for row, value in enumerate(found):
        number = None if value is None or value in nulls else as_number(value, comma)
        if number is not None and math.isnan(number):
            bad.append(row)
        values.append(number)
    return values, bad


def as_number(value: object, comma: bool = False) -> float:
    """The number that `value` is, or says as text; NaN where it is none. `comma` is what separates decimals, not a
    point."""
    if comma and isinstance(value, str):
        if "." in value:  # what separates thousands, perhaps; a number it is not
            return math.nan
        value = value.replace(",", ".")
    try:
        # `1_000` is a number to Python only.
        return math.nan if isinstance(value, str) and "_" in value else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _target(data: DataSpec, raw: Raw, labels: list[str]) -> Typed:
    name = data.target.column
    if data.target.type == "number":
        column, failures = _number(data, raw, name)
        bad = {place for failure in failures for place in failure.places}
        missing = [row for row in _rows(pc.is_null(column)) if raw.place(row, raw.table[name][row].as_py()) not in bad]
        return column, failures + raw.failure(name, "is missing", missing)
    words = _words(raw.table[name])
    index = _meanings(data.target, labels)
    found = [None if word is None else index.get(word, index.get(_as_pandas_writes(word))) for word in words]
    missing = [row for row, word in enumerate(words) if word is None]
    unknown = [row for row, word in enumerate(words) if word is not None and found[row] is None]
    shown = ", ".join(labels[:10]) + (", ..." if len(labels) > 10 else "")
    failures = raw.failure(name, "is missing", missing) + raw.failure(name, f"is not one of: {shown}", unknown)
    return pa.array(found, pa.int64()), failures


def _meanings(target: Target, labels: list[str]) -> Mapping[str, int]:
    """What a column may hold, to the position of the label that it means."""
    index = {label: position for position, label in enumerate(labels)}
    if target.values:
        return {word: index[label] for word, label in target.values.items() if label in index}
    if any(label.isdigit() for label in labels):
        # Labels that are numbers themselves: a 1 in the data is the label "1", wherever that stands.
        return index
    positions = {str(position): position for position in range(len(labels))}
    return positions | ({"false": 0, "true": 1} if len(labels) == 2 else {}) | index


def _as_pandas_writes(word: str) -> str:
    """What a csv of pandas means: `1.0` is a 1 in a column that also has missing values, `True` is true."""
    return word.lower() if word in ("True", "False") else word.removesuffix(".0")


def _words(column: pa.ChunkedArray) -> list[str | None]:
    return [None if value is None else word(value) for value in column.to_pylist()]


def word(value: object) -> str:
    """A value as the spec would write it: 1.0 is `1`, True is `true`."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _rows(mask: pa.ChunkedArray | pa.Array) -> list[int]:
    """Positions at which a mask is true."""
    flags = mask.combine_chunks() if isinstance(mask, pa.ChunkedArray) else mask
    found: list[int] = np.flatnonzero(np.asarray(flags.fill_null(False))).tolist()
    return found
