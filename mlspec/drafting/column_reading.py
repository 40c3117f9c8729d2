"""The texts of a column to what it probably is: a number, a category, a text, or nothing that a model should read."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
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
_DIFFERENT = 0.99
"""Share of different whole numbers from which a column is an identifier: a table may repeat some of its rows."""
_REPEATED = 0.6
"""Share of different values above which a column has too few repeated values to be a consequence of the target."""
_LONG = 8
"""Characters of a number with a plus sign above which it is a telephone number."""
_SIGNED = re.compile(r"(?:([$€£¥₹]|[A-Z]{3} )?[-+]?\d[\d.,' ]*( ?(?:[$€£¥₹%‰°]|[A-Z]{3}))?)")
_DIGITS = dict.fromkeys(map(ord, "123456789"), "0")
_DIGIT = re.compile(r"\d")
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
    candidates = [_shapes(values) for column in columns if (values := _without_words(column))]
    best = max(ways, key=lambda way: sum(_all_numbers(values, way) for values in candidates))
    used = any(best.thousands in value for values in candidates for value in values) if best.thousands else True
    return best if used else Separators(best.decimal, "")


def _without_words(column: Sequence[str]) -> list[str]:
    """The different values of a column of numbers without its words; empty if it has too many words."""
    values = set(column) - {""}
    words = {value for value in values if not _DIGIT.search(value)}
    numbers = list(values - words)
    return numbers if len(words - set(MAYBE)) <= _WORDS else []


def _shapes(values: Iterable[str]) -> list[str]:
    """One value of each shape: whether a text is a number depends on its signs, not on the digits from 1 to 9."""
    return list({(value.lstrip("+-")[:1] == "0", value.translate(_DIGITS)): value for value in values}.values())


def _all_numbers(values: Sequence[str], way: Separators) -> bool:
    return not any(math.isnan(number(value, way)) for value in values)


def read_column(name: str, column: Sequence[str], way: Separators) -> ColumnReading:
    """What the column probably is, without the target."""
    known = [value for value in column if value and value not in NULLS]
    values = set(known)
    if len(values) == 0 or (len(values) == 1 and len(known) == len(column)):
        return ColumnReading("none", "always empty" if not values else "has a single value")
    numbers = _without_words(column)
    if numbers and _all_numbers(_shapes(numbers), way) and len(numbers) > len(values) - len(numbers):
        nulls = frozenset(column) - frozenset(numbers) - {""}
        return _number(name, known, numbers, way, nulls)
    nulls = frozenset(values & set(MAYBE)) | (frozenset(column) & frozenset(NULLS) - {""})
    if all(re.match(DATE, value) for value in values):
        return ColumnReading("none", "dates: derive numbers or categories from them in a function (data.source)", nulls)
    if signs := _number_with_a_sign(values):
        return ColumnReading("none", f"{signs}: write them as numbers, or do it in a function (data.source)", nulls)
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
    numbers = {value: number(value, way) for value in values}
    read = [numbers[value] for value in known if value in numbers]
    different = len(read) >= _ENOUGH and len(set(read)) >= _DIFFERENT * len(read) and all(map(float.is_integer, read))
    counted = different and (read == sorted(read) or read == sorted(read, reverse=True))
    if different and (counted or _IDENTIFIER.search(name)):
        every = "every row" if len(set(read)) == len(read) else "nearly every row"
        return ColumnReading("none", f"a different whole number in {every}: an identifier", nulls)
    if any(value[0] == "0" and value.isdecimal() and len(value) > 1 for value in values):
        if len(values) <= max(_FEW, _SHARE * len(read)):
            return ColumnReading("category", "codes with a leading zero", nulls)
        return ColumnReading("none", f"codes with a leading zero, {len(values)} different ones", nulls)
    if all(value[0] == "+" and len(value) > _LONG for value in values):
        return ColumnReading("none", "telephone numbers", nulls)
    return ColumnReading("number", f"{min(read):g} to {max(read):g}", nulls)


def _number_with_a_sign(values: Collection[str]) -> str:
    """`numbers with a sign, such as $12.50`, if all values have the same sign, such as a currency; else empty."""
    signs = set()
    for value in values:
        match = _SIGNED.fullmatch(value)
        if match is None or not (sign := match[1] or match[2]):
            return ""
        signs.add(sign.strip())
    return f"numbers with a sign, such as {min(values)}" if len(signs) == 1 else ""


def _many_words(values: Iterable[str]) -> bool:
    lengths = [len(value.split()) for value in values]
    return len(lengths) > _FEW and sum(lengths) >= _SENTENCE * len(lengths)


def leak(column: Sequence[str], target: Sequence[str]) -> str:
    """Why the column is probably a consequence of the target; empty if it is not.

    Either it is filled in exactly where the target has certain values, or each of its few values has one target.
    """
    if len(set(column)) > _REPEATED * len(column) and "" not in column:
        return ""
    pairs = Counter(zip(column, target, strict=True))
    pairs = Counter({pair: count for pair, count in pairs.items() if pair[1]})
    total = pairs.total()
    if total < _ENOUGH:
        return ""
    filled, empty = ({label for value, label in pairs if bool(value) == is_filled} for is_filled in (True, False))
    if filled and empty and not filled & empty:
        return f"filled in only where the target is {', '.join(sorted(filled))[:60]}: known after the target"
    values = {value for value, _ in pairs}
    repeated = sum(count for count in pairs.values() if count > 1)
    if len(values) > 1 and repeated > 0.9 * total and len(pairs) == len(values):
        return "each of its values has one value of the target: known after the target"
    return ""
