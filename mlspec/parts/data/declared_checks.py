"""The checks that `data.checks` declares, each with a name for programs and a text for people. Pure and light."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mlspec.sections.data import DataSpec

ROWS = "rows"
"""What stands for the rows as a whole where a column is expected."""
_TEXTS = {
    "not_null": "is never missing", "unique": "is unique", "min": ">= {}", "max": "<= {}", "in": "is one of {}",
    "min_length": "has {} characters or more", "max_length": "has {} characters or fewer", "matches": "matches {}",
}  # fmt: skip
_ROW_TEXTS = {"min": "{} rows or more", "max": "{} rows or fewer", "duplicates": "no duplicate rows"}
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class DeclaredCheck:
    """One condition on a column, or on `rows`; `key` is its key in the spec."""

    name: str
    text: str
    column: str
    key: str


def declared(data: DataSpec) -> list[DeclaredCheck]:
    """All checks, in the order of the spec; two names that differ only in other characters are numbered."""
    checks: list[DeclaredCheck] = []
    names: set[str] = set()
    for column, key, text in _conditions(data):
        slug = re.sub(r"[^a-z0-9]+", "_", f"{column} {key}".lower()).strip("_")
        name = f"data_{slug}" if f"data_{slug}" not in names else f"data_{slug}_{len(names) + 1}"
        names.add(name)
        checks.append(DeclaredCheck(name, text, column, key))
    return checks


def _conditions(data: DataSpec) -> Iterator[tuple[str, str, str]]:
    for column, check in data.checks.columns.items():
        for key, value in check.model_dump(by_alias=True, exclude_defaults=True).items():
            if value is not None and value is not False:
                yield column, key, f"{column} {_TEXTS[key].format(_brief(value))}"
    rows = data.checks.rows
    for key, value in rows.model_dump(exclude_defaults=True).items() if rows is not None else ():
        if value is not None:
            yield ROWS, key, _ROW_TEXTS[key].format(value)


def _brief(value: object) -> str:
    number = f"{value:g}" if isinstance(value, float) else str(value)
    text = ", ".join(map(str, value)) if isinstance(value, list) else number
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
