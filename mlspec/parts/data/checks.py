"""The checks that the spec declares, applied to the rows as they are in the source."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from mlspec.parts.data.cell_values import missing, readings, text
from mlspec.parts.data.missing_values import words as nulls_of
from mlspec.parts.data.number_text import Separators, number
from mlspec.parts.data.raw_rows import Failure, Raw
from mlspec.sections.data import Check, DataSpec


def checked(data: DataSpec, sources: Mapping[str, Raw]) -> list[Failure]:
    """The rows that violate a declared check. Raises StageError if a check names a column that the data lacks."""
    failures = [
        failure
        for raw in sources.values()
        for name, check in data.checks.columns.items()
        for failure in _column(data, name, check, raw)
    ]
    return failures + list(_rows(data, sources))


def checked_values(data: DataSpec, raw: Raw) -> list[Failure]:
    """The values of `raw` that violate a declared check; a column that it does not have is not checked."""
    checks = {name: check for name, check in data.checks.columns.items() if name in raw.names}
    return [failure for name, check in checks.items() for failure in _column(data, name, check, raw)]


def _rows(data: DataSpec, sources: Mapping[str, Raw]) -> Iterator[Failure]:
    rows = data.checks.rows
    if rows is None:
        return
    count = sum(raw.table.num_rows for raw in sources.values())
    if rows.min is not None and count < rows.min:
        yield Failure("rows", f"are too few: {count}, and data.checks.rows.min is {rows.min}")
    if rows.max is not None and count > rows.max:
        yield Failure("rows", f"are too many: {count}, and data.checks.rows.max is {rows.max}")
    if not rows.duplicates:
        seen: set[str] = set()
        for raw in sources.values():
            keys = [repr(sorted(row.items())) for row in raw.table.to_pylist()]
            yield from raw.failure("rows", "occur twice", _repeated(keys, seen))


def _repeated(keys: Sequence[str], seen: set[str]) -> list[int]:
    """Positions of the keys that are in `seen`; adds the others to it."""
    repeated: list[int] = []
    for row, key in enumerate(keys):
        if key in seen:
            repeated.append(row)
        seen.add(key)
    return repeated


def _column(data: DataSpec, name: str, check: Check, raw: Raw) -> Iterator[Failure]:
    raw.need(name, "data.checks names a column")
    nulls = nulls_of(data, name)
    values = [None if missing(v) or (isinstance(v, str) and v in nulls) else v for v in raw.table[name].to_pylist()]
    if check.not_null:
        yield from raw.failure(name, "is missing", [row for row, value in enumerate(values) if value is None])
    present = [(row, value) for row, value in enumerate(values) if value is not None]
    for what, fails in _conditions(check, Separators.of(data.format), [value for _, value in present]):
        yield from raw.failure(name, what, [row for row, value in present if fails(value)])


def _conditions(
    check: Check, separators: Separators, values: Sequence[object]
) -> Iterator[tuple[str, Callable[[object], bool]]]:
    """For each condition the text of a failure, and a function that is true for a value that fails."""
    for what, limit, beyond in _limits(check, separators):
        yield f"{what} {limit:g}", functools.partial(beyond, limit)
    if check.one_of is not None:
        allowed = {reading for value in check.one_of for reading in readings(value)}
        shown = ", ".join(text(value) for value in check.one_of[:10]) + (", ..." if len(check.one_of) > 10 else "")
        yield f"is not one of: {shown}", lambda value: allowed.isdisjoint(readings(value))
    if check.matches is not None:
        pattern = re.compile(check.matches)
        yield f"does not match {check.matches}", lambda value: not pattern.fullmatch(text(value))
    if check.unique:
        counts = Counter(map(text, values))
        yield "is not unique", lambda value: counts[text(value)] > 1


def _limits(check: Check, separators: Separators) -> list[tuple[str, float, Callable[[float, object], bool]]]:
    """The text of a failure, the limit, and whether a value violates it; a value that is not a number violates all."""
    limits: list[tuple[str, float | None, Callable[[float, object], bool]]] = [
        ("is below", check.min, lambda limit, value: not number(value, separators) >= limit),
        ("is above", check.max, lambda limit, value: not number(value, separators) <= limit),
        ("is shorter than", check.min_length, lambda limit, value: len(text(value)) < limit),
        ("is longer than", check.max_length, lambda limit, value: len(text(value)) > limit),
    ]
    return [(what, limit, beyond) for what, limit, beyond in limits if limit is not None]
