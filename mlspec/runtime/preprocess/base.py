"""The interface of preprocessing, and functions that read single values of a row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, Protocol, TypeAlias, TypedDict

import numpy as np
import numpy.typing as npt

from mlspec.runtime.preprocess.bundle_errors import BadRow

Row: TypeAlias = Mapping[str, object]
Array: TypeAlias = npt.NDArray[Any]
Feature: TypeAlias = dict[str, Array]
"""The model inputs of one row, without padding and batch dimension."""

MAX_CHARACTERS = 1_000_000
"""Maximum length of a text: a longer one would take seconds to tokenize, only to be truncated."""


class NumberScale(TypedDict):
    """Mean and standard deviation of numbers in the training data."""

    mean: float
    std: float


class InputDescription(TypedDict):
    """An input as in `schema.json`: its type, the values of a category, the size of an image."""

    type: Literal["text", "number", "category", "image"]
    values: NotRequired[list[str]]
    channels: NotRequired[int]
    height: NotRequired[int]
    width: NotRequired[int]
    background: NotRequired[str]


class Preprocess(Protocol):
    """Rows to model inputs in two steps, so that rows can be bucketed by length in between."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the model inputs, in the order of the graph."""

    def features(self, rows: Sequence[Row]) -> list[Feature]:
        """The unpadded inputs of each row. Raises BadRow for an invalid row."""

    def collate(self, features: Sequence[Feature]) -> dict[str, Array]:
        """A padded batch: arrays by input name, batch dimension first."""

    def length(self, feature: Feature) -> int:
        """The length by which rows are bucketed; 1 if all rows have the same size."""


def value(row: Row, name: str, index: int) -> object:
    """The value of one input. Raises BadRow if the row is not a mapping or lacks the input."""
    if not isinstance(row, Mapping):
        raise BadRow(index, "", f"must be an object of inputs, not {kind(row)}")
    if name not in row:
        raise BadRow(index, name, "is missing")
    return row[name]


def text(row: Row, name: str, index: int) -> str:
    """A text input; null is the empty text, as in the training data. Raises BadRow."""
    content = value(row, name, index)
    if content is None:
        return ""
    if not isinstance(content, str):
        raise BadRow(index, name, f"must be text, not {kind(content)}")
    if len(content) > MAX_CHARACTERS:
        raise BadRow(index, name, f"is longer than {MAX_CHARACTERS:,} characters")
    if not content.isascii() and any("\ud800" <= c <= "\udfff" for c in content):
        raise BadRow(index, name, "contains an unpaired surrogate")
    return content


def category(row: Row, name: str, index: int) -> str | None:
    """A category in the spelling of the training data: integers and booleans as text; None if missing."""
    content = value(row, name, index)
    if content is None or isinstance(content, str):
        return content
    if isinstance(content, bool | np.bool_):
        return str(bool(content)).lower()
    if isinstance(content, int | np.integer) or (isinstance(content, float) and content.is_integer()):
        return str(int(content))
    raise BadRow(index, name, f"must be text, not {kind(content)}")


def number(row: Row, name: str, index: int) -> float:
    """A number; NaN if it is null. Raises BadRow."""
    content = value(row, name, index)
    if content is None:
        return math.nan
    if isinstance(content, bool) or not isinstance(content, int | float | np.integer | np.floating):
        hint = "; remove the quotes" if isinstance(content, str) and _numeric(content) else ""
        raise BadRow(index, name, f"must be a number, not {kind(content)}{hint}")
    try:
        as_float = float(content)
    except OverflowError:
        raise BadRow(index, name, "is too large for float64") from None
    if math.isinf(as_float):
        raise BadRow(index, name, "must be finite")
    return as_float


def _numeric(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def kind(value: object) -> str:
    """The JSON type of a value, for messages."""
    match value:
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
            return type(value).__name__


def stack(features: Sequence[Feature], name: str) -> Array:
    """The arrays of one input, stacked along a new batch dimension."""
    return np.stack([feature[name] for feature in features])
