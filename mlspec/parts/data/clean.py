"""A raw table to typed columns, and the rows that the spec's types and checks do not allow."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from mlspec.errors import StageError
from mlspec.parts.data.spec import Check, DataSpec
from mlspec.spec.names import suggest


@dataclass(frozen=True, slots=True)
class Failure:
    """Rows that fail one check: positions in the table."""

    column: str
    what: str
    rows: Sequence[int]


def typed(data: DataSpec, table: pa.Table) -> tuple[pa.Table, list[Failure], list[str]]:
    """The table with inputs and target of the types in docs/architecture.md, failures, and the labels."""
    wanted = [*data.columns, data.target.column]
    for name in wanted:
        if name not in table.column_names:
            known = [c for c in table.column_names if not c.startswith("__")]
            raise StageError(f"the data has no column `{name}`", help=suggest(name, known, "its columns are"))
    failures: list[Failure] = []
    for name, spec in data.columns.items():
        column, failed = _CONVERT[spec.type](name, table[name].combine_chunks())
        table = table.set_column(table.column_names.index(name), name, column)
        failures += failed
    labels, target, failed = _target(data, table)
    table = table.set_column(table.column_names.index(data.target.column), data.target.column, target)
    return table, failures + failed, labels


def _text(_: str, column: pa.Array) -> tuple[pa.Array, list[Failure]]:
    return column.cast(pa.string()), []


def _number(name: str, column: pa.Array) -> tuple[pa.Array, list[Failure]]:
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_boolean(column.type):
        return column.cast(pa.float64()), []
    values: list[float | None] = []
    bad: list[int] = []
    for row, value in enumerate(column.to_pylist()):
        try:
            values.append(None if value is None else float(value))
        except (TypeError, ValueError):
            bad.append(row)
            values.append(None)
    return pa.array(values, pa.float64()), [Failure(name, "is not a number", bad)] if bad else []


def _image(name: str, column: pa.Array) -> tuple[pa.Array, list[Failure]]:
    if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
        raise StageError(
            f"`{name}` holds no images: {column.type}", help="an image column holds the bytes of PNG or JPEG"
        )
    empty = [row for row, value in enumerate(column) if not value.is_valid]
    return column.cast(pa.binary()), [Failure(name, "is missing", empty)] if empty else []


_CONVERT: dict[str, Callable[[str, pa.Array], tuple[pa.Array, list[Failure]]]] = {
    "text": _text,
    "category": _text,
    "number": _number,
    "image": _image,
}


def _target(data: DataSpec, table: pa.Table) -> tuple[list[str], pa.Array, list[Failure]]:
    name, column = data.target.column, table[data.target.column].combine_chunks()
    missing = [row for row, value in enumerate(column) if not value.is_valid]
    failures = [Failure(name, "is missing", missing)] if missing else []
    if data.target.type == "number":
        numbers, failed = _number(name, column)
        return [], numbers, failures + failed
    values = column.to_pylist()
    labels = data.target.labels or sorted({str(v) for v in values if v is not None})
    index = {label: position for position, label in enumerate(labels)}
    positions = {i: i for i in range(len(labels))} if pa.types.is_integer(column.type) else {}
    found = [None if v is None else index.get(_word(v), positions.get(v)) for v in values]
    bad = [row for row, value in enumerate(found) if value is None and values[row] is not None]
    if bad:
        failures.append(Failure(name, f"is not one of the labels {', '.join(labels[:10])}", bad))
    return labels, pa.array(found, pa.int64()), failures


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def checked(data: DataSpec, raw: pa.Table) -> list[Failure]:
    """The rows of `raw` that the declared checks do not allow."""
    failures = [failure for name, check in data.checks.columns.items() for failure in _column(name, check, raw)]
    rows = data.checks.rows
    if rows is None:
        return failures
    count = raw.num_rows
    if rows.min is not None and count < rows.min:
        failures.append(Failure("rows", f"there are {count}, and data.checks.rows.min is {rows.min}", ()))
    if rows.max is not None and count > rows.max:
        failures.append(Failure("rows", f"there are {count}, and data.checks.rows.max is {rows.max}", ()))
    if not rows.duplicates:
        seen: set[str] = set()
        own = raw.drop_columns(["__file", "__row"]).to_pylist()
        twice = [i for i, row in enumerate(own) if (key := repr(row)) in seen or seen.add(key)]  # type: ignore[func-returns-value]
        failures += [Failure("rows", "occurs twice", twice)] if twice else []
    return failures


def _column(name: str, check: Check, raw: pa.Table) -> Iterator[Failure]:
    if name not in raw.column_names:
        known = [c for c in raw.column_names if not c.startswith("__")]
        raise StageError(
            f"data.checks names a column `{name}` that is not there", help=suggest(name, known, "there are")
        )
    values = raw[name].to_pylist()
    if check.not_null:
        yield from _failing(name, "is missing", values, lambda v: v is None, nulls=True)
    for what, limit, beyond in _limits(check):
        yield from _failing(name, f"{what} {limit:g}", values, functools.partial(beyond, limit))
    if check.one_of is not None:
        allowed = {_word(v) for v in check.one_of}
        yield from _failing(
            name, f"is none of {', '.join(sorted(allowed)[:10])}", values, lambda v: _word(v) not in allowed
        )
    if check.matches is not None:
        pattern = re.compile(check.matches)
        yield from _failing(name, f"does not match {check.matches}", values, lambda v: not pattern.fullmatch(str(v)))
    if check.unique:
        counts = {v["values"].as_py(): v["counts"].as_py() for v in pc.value_counts(raw[name].combine_chunks())}
        yield from _failing(name, "is not unique", values, lambda v: counts[v] > 1)


def _limits(check: Check) -> list[tuple[str, float, Callable[[float, object], bool]]]:
    """What is said, the bound, and whether a value lies beyond it."""
    found: list[tuple[str, float | None, Callable[[float, object], bool]]] = [
        ("is below", check.min, lambda limit, value: _float(value) < limit),
        ("is above", check.max, lambda limit, value: _float(value) > limit),
        ("is shorter than", check.min_length, lambda limit, value: len(str(value)) < limit),
        ("is longer than", check.max_length, lambda limit, value: len(str(value)) > limit),
    ]
    return [(what, limit, beyond) for what, limit, beyond in found if limit is not None]


def _failing(
    name: str, what: str, values: Sequence[object], fails: Callable[[object], bool], nulls: bool = False
) -> Iterator[Failure]:
    rows = [row for row, value in enumerate(values) if (nulls or value is not None) and fails(value)]
    if rows:
        yield Failure(name, what, rows)


def _float(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return float("nan")
