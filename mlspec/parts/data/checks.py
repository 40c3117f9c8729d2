"""The checks that the spec declares, applied to the rows as they are in the source."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from mlspec.parts.data.cell_values import missing, readings, text
from mlspec.parts.data.declared_checks import ROWS, declared
from mlspec.parts.data.missing_values import words as nulls_of
from mlspec.parts.data.number_text import Separators, number
from mlspec.parts.data.raw_rows import Failure, Raw
from mlspec.sections.data import Check, DataSpec
from mlspec.stage_result import check_result

Violation = tuple[str, str, Failure]
"""A failure of a declared check: its column, its key in the spec, and the failure."""


def checked(data: DataSpec, sources: Mapping[str, Raw]) -> list[Failure]:
    """The rows that violate a declared check; each check is reported as a result of the stage.

    Raises StageError if a check names a column that the data lacks.
    """
    count = sum(raw.table.num_rows for raw in sources.values())
    violations = [
        violation
        for raw in sources.values()
        for name, check in data.checks.columns.items()
        for violation in _column(data, name, check, raw)
    ] + list(_rows(data, sources))
    failing = Counter[tuple[str, str]]()
    for column, key, failure in violations:
        failing[column, key] += len(failure.places) or 1
    for each in declared(data):
        number, of_values = failing[each.column, each.key], each.column != ROWS or each.key == "duplicates"
        figures = {"rows": count, **({"failing_rows": number} if of_values else {})}
        check_result(each.name, passed=not number, figures=figures)
    return [failure for _, _, failure in violations]


def checked_values(data: DataSpec, raw: Raw) -> list[Failure]:
    """The values of `raw` that violate a declared check; a column that it does not have is not checked."""
    checks = {name: check for name, check in data.checks.columns.items() if name in raw.names}
    return [failure for name, check in checks.items() for _, _, failure in _column(data, name, check, raw)]


def _rows(data: DataSpec, sources: Mapping[str, Raw]) -> Iterator[Violation]:
    rows = data.checks.rows
    if rows is None:
        return
    count = sum(raw.table.num_rows for raw in sources.values())
    if rows.min is not None and count < rows.min:
        yield ROWS, "min", Failure(ROWS, f"are too few: {count}, and data.checks.rows.min is {rows.min}")
    if rows.max is not None and count > rows.max:
        yield ROWS, "max", Failure(ROWS, f"are too many: {count}, and data.checks.rows.max is {rows.max}")
    if not rows.duplicates:
        seen: set[str] = set()
        for raw in sources.values():
            keys = [repr(sorted(row.items())) for row in raw.table.to_pylist()]
            yield from _violations(ROWS, "duplicates", raw.failure(ROWS, "occur twice", _repeated(keys, seen)))


def _violations(column: str, key: str, failures: Sequence[Failure]) -> Iterator[Violation]:
    return ((column, key, failure) for failure in failures)


def _repeated(keys: Sequence[str], seen: set[str]) -> list[int]:
    """Positions of the keys that are in `seen`; adds the others to it."""
    repeated: list[int] = []
    for row, key in enumerate(keys):
        if key in seen:
            repeated.append(row)
        seen.add(key)
    return repeated


def _column(data: DataSpec, name: str, check: Check, raw: Raw) -> Iterator[Violation]:
    raw.need(name, "data.checks names a column")
    nulls = nulls_of(data, name)
    values = [None if missing(v) or (isinstance(v, str) and v in nulls) else v for v in raw.table[name].to_pylist()]
    if check.not_null:
        missed = [row for row, value in enumerate(values) if value is None]
        yield from _violations(name, "not_null", raw.failure(name, "is missing", missed))
    present = [(row, value) for row, value in enumerate(values) if value is not None]
    for key, what, fails in _conditions(check, Separators.of(data.format), [value for _, value in present]):
        yield from _violations(name, key, raw.failure(name, what, [row for row, value in present if fails(value)]))


def _conditions(
    check: Check, separators: Separators, values: Sequence[object]
) -> Iterator[tuple[str, str, Callable[[object], bool]]]:
    """For each condition its key, the text of a failure, and a function that is true for a value that fails."""
    for key, what, limit, beyond in _limits(check, separators):
        yield key, f"{what} {limit:g}", functools.partial(beyond, limit)
    if check.one_of is not None:
        allowed = {reading for value in check.one_of for reading in readings(value)}
        shown = ", ".join(text(value) for value in check.one_of[:10]) + (", ..." if len(check.one_of) > 10 else "")
        yield "in", f"is not one of: {shown}", lambda value: allowed.isdisjoint(readings(value))
    if check.matches is not None:
        pattern = re.compile(check.matches)
        yield "matches", f"does not match {check.matches}", lambda value: not pattern.fullmatch(text(value))
    if check.unique:
        counts = Counter(map(text, values))
        yield "unique", "is not unique", lambda value: counts[text(value)] > 1


def _limits(check: Check, separators: Separators) -> list[tuple[str, str, float, Callable[[float, object], bool]]]:
    """Key, text of a failure, limit, and whether a value violates it; a value that is not a number violates all."""
    limits: list[tuple[str, str, float | None, Callable[[float, object], bool]]] = [
        ("min", "is below", check.min, lambda limit, value: not number(value, separators) >= limit),
        ("max", "is above", check.max, lambda limit, value: not number(value, separators) <= limit),
        ("min_length", "is shorter than", check.min_length, lambda limit, value: len(text(value)) < limit),
        ("max_length", "is longer than", check.max_length, lambda limit, value: len(text(value)) > limit),
    ]
    return [(key, what, limit, beyond) for key, what, limit, beyond in limits if limit is not None]
