"""What a preprocessing is, and reading single values of a row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from mlspec.runtime.preprocess.bundle_errors import BadRow

Row: TypeAlias = Mapping[str, object]
Array: TypeAlias = npt.NDArray[Any]
Feature: TypeAlias = dict[str, Array]
"""One row's model inputs, unpadded: no batch dimension."""

MAX_CHARACTERS = 1_000_000
"""A longer text would only be cut to the model's few hundred tokens, after seconds of work."""


class Preprocess(Protocol):
    """Rows to model inputs, in two steps, so that training can bucket by length in between."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the model's inputs, in the order of the graph."""

    def features(self, rows: Sequence[Row]) -> list[Feature]:
        """One unpadded entry a row. Raises BadRow."""

    def collate(self, features: Sequence[Feature]) -> dict[str, Array]:
        """A padded batch: arrays by input name, the first dimension is the batch."""

    def length(self, feature: Feature) -> int:
        """What batches are bucketed by; 1 where rows do not differ."""


def value(row: Row, name: str, index: int) -> object:
    """The value of one input. Raises BadRow where the row is no mapping or lacks it."""
    if not isinstance(row, Mapping):
        raise BadRow(index, "", f"a row is a mapping of inputs, not {kind(row)}")
    if name not in row:
        raise BadRow(index, name, "is missing")
    return row[name]


def text(row: Row, name: str, index: int) -> str:
    """A text input. Nothing counts as the empty text in training data, and so does it here."""
    found = value(row, name, index)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise BadRow(index, name, f"must be text, not {kind(found)}")
    if len(found) > MAX_CHARACTERS:
        raise BadRow(index, name, f"is longer than {MAX_CHARACTERS:,} characters")
    if not found.isascii() and any("\ud800" <= c <= "\udfff" for c in found):
        raise BadRow(index, name, "holds half of a surrogate pair, which is no character")
    return found


def category(row: Row, name: str, index: int) -> str | None:
    """A category as the training data writes it: a whole number or a truth value is its text; None where missing."""
    found = value(row, name, index)
    if found is None or isinstance(found, str):
        return found
    if isinstance(found, bool | np.bool_):
        return str(bool(found)).lower()
    if isinstance(found, int | np.integer) or (isinstance(found, float) and found.is_integer()):
        return str(int(found))
    raise BadRow(index, name, f"must be text, not {kind(found)}")


def number(row: Row, name: str, index: int) -> float:
    """A number; NaN where it is missing (null)."""
    found = value(row, name, index)
    if found is None:
        return math.nan
    if isinstance(found, bool) or not isinstance(found, int | float | np.integer | np.floating):
        hint = "; leave out the quotes" if isinstance(found, str) and _numeric(found) else ""
        raise BadRow(index, name, f"must be a number, not {kind(found)}{hint}")
    try:
        as_float = float(found)
    except OverflowError:
        raise BadRow(index, name, "is too large for a number") from None
    if math.isinf(as_float):
        raise BadRow(index, name, "must be a finite number")
    return as_float


def _numeric(found: str) -> bool:
    try:
        return math.isfinite(float(found))
    except ValueError:
        return False


def kind(found: object) -> str:
    """The kind of a value, in JSON's words."""
    match found:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "text"
        case int() | float():
            return "a number"
        case Mapping():
            return "an object"
        case list() | tuple():
            return "a list"
        case np.bool_():
            return "a boolean"
        case np.number():
            return "a number"
        case _:
            return type(found).__name__


def stack(features: Sequence[Feature], name: str) -> Array:
    """Entries of equal shape, one below the other."""
    return np.stack([feature[name] for feature in features])
