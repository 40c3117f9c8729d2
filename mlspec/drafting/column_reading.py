"""The texts of a column to what it probably is: a number, a category, a text, or nothing that a model should read."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mlspec.parts.data.date_text import DATE
from mlspec.parts.data.number_text import POINT, Separators, number
from mlspec.sections.data import MAYBE, NULLS

Kind: TypeAlias = Literal["number", "category", "text", "none"]

_WORDS = 3
"""Maximum number of words in a number column that may mean a missing value."""
_FEW = 20
"""Different values up to which a column is a category, whatever their share of the rows."""
_SHARE = 0.1
"""Share of different values up to which a column of words is a category."""
_SENTENCE = 3
"""Words in an average text."""
_ENOUGH = 20
"""Rows from which a column can be called an identifier, or a consequence of the target."""
_IDENTIFIER = re.compile(r"(^|[\W_])(id|ids|uuid|guid|key|index|nr|no)$|nummer$|number$|[a-z]I[Dd]$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ColumnReading:
    """What a column probably is, and why; `none` if a model should not read it."""

    kind: Kind
    reason: str
    nulls: frozenset[str] = frozenset()
    """Texts in the column that mean a missing value."""


def separators_of(columns: Iterable[Sequence[str]]) -> Separators:
    """The separators with which most columns are numbers; a decimal point where several are possible."""
    signs = itertools.product((".", ","), ("", ",", ".", " ", "'"))
    ways = [POINT, *(Separators(*pair) for pair in signs if pair[0] != pair[1] and pair != (".", ""))]
    candidates = [values for column in columns if (values := _without_words(column))]
    best = max(ways, key=lambda way: sum(_all_numbers(values, way) for values in candidates))
    used = any(best.thousands in value for values in candidates for value in values) if best.thousands else True
    return best if used else Separators(best.decimal, "")


def _without_words(column: Sequence[str]) -> list[str]:
    """The different values of a column of numbers without its words; empty if it has too many words."""
    values = {value.strip() for value in column} - {""}
    words = {value for value in values if not any(map(str.isdigit, value))}
    numbers = sorted(values - words)
    return numbers if len(words - set(MAYBE)) <= _WORDS else []


def _all_numbers(values: Sequence[str], way: Separators) -> bool:
    return not any(math.isnan(number(value, way)) for value in values)


def read_column(name: str, column: Sequence[str], way: Separators) -> ColumnReading:
    """What the column probably is, without the target."""
    cells = [value.strip() for value in column]
    known = [value for value in cells if value and value not in NULLS]
    values = set(known)
    if len(values) == 0 or (len(values) == 1 and len(known) == len(cells)):
        return ColumnReading("none", "always empty" if not values else "has a single value")
    numbers = _without_words(cells)
    if numbers and _all_numbers(numbers, way) and len(numbers) > len(values) - len(numbers):
        nulls = frozenset(value for value in cells if value and value not in set(numbers))
        return _number(name, known, numbers, way, nulls)
    nulls = frozenset(values & set(MAYBE)) | (frozenset(cells) & frozenset(NULLS) - {""})
    if all(re.match(DATE, value) for value in values):
        return ColumnReading("none", "dates: derive numbers or categories from them in a function (data.source)", nulls)
    if _many_words(values):
        return ColumnReading("text", "sentences", nulls)
    if len(values) <= _FEW or len(values) <= _SHARE * len(known):
        return ColumnReading("category", f"{len(values)} different values", nulls)
    if len(values) > len(known) / 2:
        return ColumnReading(
            "none", f"{len(values)} different values in {len(known)} rows: an identifier or name", nulls
        )
    return ColumnReading("category", f"{len(values)} different values", nulls)


def _number(
    name: str, known: Sequence[str], values: Sequence[str], way: Separators, nulls: frozenset[str]
) -> ColumnReading:
    read = [number(value, way) for value in known if value not in nulls]
    different = len(read) >= _ENOUGH and len(set(read)) == len(read) and all(value.is_integer() for value in read)
    counted = different and (read == sorted(read) or read == sorted(read, reverse=True))
    if different and (counted or _IDENTIFIER.search(name)):
        return ColumnReading("none", "a different whole number in every row: an identifier", nulls)
    if all(re.fullmatch(r"0\d+", value) for value in values):
        return ColumnReading("category", "codes with a leading zero", nulls)
    return ColumnReading("number", f"{min(read):g} to {max(read):g}", nulls)


def _many_words(values: Iterable[str]) -> bool:
    lengths = [len(value.split()) for value in values]
    return len(lengths) > _FEW and sum(lengths) >= _SENTENCE * len(lengths)


def leak(column: Sequence[str], target: Sequence[str]) -> str:
    """Why the column is probably a consequence of the target; empty if it is not.

    Either it is filled in exactly where the target has certain values, or each of its few values has one target.
    """
    pairs = [(value.strip(), label) for value, label in zip(column, target, strict=True) if label]
    if len(pairs) < _ENOUGH:
        return ""
    filled = _labels_by((bool(value), label) for value, label in pairs)
    if len(filled) == 2 and not set(filled[True]) & set(filled[False]):
        return f"filled in only where the target is {', '.join(sorted(filled[True]))[:60]}: known after the target"
    by_value = _labels_by(pairs)
    repeated = {value: labels for value, labels in by_value.items() if sum(labels.values()) > 1}
    rows = sum(sum(labels.values()) for labels in repeated.values())
    if len(by_value) > 1 and rows > 0.9 * len(pairs) and all(len(labels) == 1 for labels in by_value.values()):
        return "each of its values has one value of the target: known after the target"
    return ""


def _labels_by(pairs: Iterable[tuple[object, str]]) -> Mapping[object, Counter[str]]:
    result: defaultdict[object, Counter[str]] = defaultdict(Counter)
    for value, label in pairs:
        result[value][label] += 1
    return result
