"""Numbers and categories to standardised (or raw) numbers and category indices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NotRequired, TypedDict

import numpy as np

from mlspec.runtime.preprocess.base import Array, Feature, NumberScale, Row, category, number, stack
from mlspec.runtime.preprocess.bundle_errors import BadRow
from mlspec.runtime.preprocess.moments import spellings

MANY = 8
"""Number of rows from which on they are read by column."""
_COMMON = frozenset({float, int, type(None)})
_LARGEST = float(np.finfo(np.float32).max)


class TabularSettings(TypedDict):
    """The settings of numbers and categories in `preprocess.json`."""

    kind: Literal["tabular"]
    numbers: dict[str, NumberScale]
    categories: dict[str, list[str]]
    raw: NotRequired[bool]


class TabularPreprocess:
    """`numbers` float32 [B, n], missing = mean; `categories` int64 [B, m], 0 = unseen or missing.

    With `raw`, numbers are unchanged, missing = NaN.
    """

    def __init__(self, settings: TabularSettings, folder: Path) -> None:  # noqa: ARG002 - one form for all kinds
        self.raw: bool = settings.get("raw", False)
        self.numbers: dict[str, NumberScale] = settings["numbers"]
        self.categories: dict[str, dict[str, int]] = {
            name: {v: index + 1 for index, v in enumerate(values)} for name, values in settings["categories"].items()
        }
        self.names: tuple[str, ...] = (
            *(["numbers"] if self.numbers else []),
            *(["categories"] if self.categories else []),
        )

    def features(self, rows: Sequence[Row]) -> list[Feature]:
        """The numbers and category indices of each row."""
        arrays = self._columns(rows) if len(rows) >= MANY else None
        if arrays is None:
            return [self._feature(row, index) for index, row in enumerate(rows)]
        # The rows of one array for each input.
        return [dict(zip(arrays, row, strict=True)) for row in zip(*arrays.values(), strict=True)]

    def _columns(self, rows: Sequence[Row]) -> dict[str, Array] | None:
        """The arrays of all rows, computed by column with the bits of single rows; None if a value needs a closer look.

        Only the common types are read here: the row with an error must be named, and odd types converted one by one.
        """
        arrays: dict[str, Array] = {}
        try:
            if self.numbers:
                columns = [_numbers([row[name] for row in rows]) for name in self.numbers]
                if not self.raw:
                    fits = self.numbers.values()
                    columns = [_all_scaled(column, fit) for column, fit in zip(columns, fits, strict=True)]
                elif any((np.abs(column) > _LARGEST).any() for column in columns):
                    return None
                arrays["numbers"] = np.stack(columns, axis=1).astype(np.float32)
            if self.categories:
                words = [self._indices(name, [row[name] for row in rows]) for name in self.categories]
                arrays["categories"] = np.stack(words, axis=1)
        except (TypeError, KeyError, IndexError, OverflowError, ValueError):
            return None
        return arrays

    def _indices(self, name: str, words: Sequence[object]) -> Array:
        """The indices of a column. Raises TypeError if it has something else than texts."""
        positions = {word: self._position(name, word) if isinstance(word, str) else 0 for word in set(words)}
        if not all(isinstance(word, str | None) for word in positions):
            raise TypeError
        return np.asarray([positions[word] for word in words], dtype=np.int64)

    def _feature(self, row: Row, index: int) -> Feature:
        feature: Feature = {}
        if self.numbers:
            values = {name: number(row, name, index) for name in self.numbers}
            feature["numbers"] = self._single(values, index) if self.raw else self._standardised(values)
        if self.categories:
            words = {name: category(row, name, index) for name in self.categories}
            indices = [0 if word is None else self._position(name, word) for name, word in words.items()]
            feature["categories"] = np.asarray(indices, dtype=np.int64)
        return feature

    def _position(self, name: str, word: str) -> int:
        known = self.categories[name]
        return known.get(word) or next((known[way] for way in spellings(word) if way in known), 0)

    def _standardised(self, values: Mapping[str, float]) -> Array:
        scaled = [_scaled(values[name], fit) for name, fit in self.numbers.items()]
        return np.asarray(scaled, dtype=np.float32)

    def _single(self, values: Mapping[str, float], index: int) -> Array:
        """The numbers as float32. Raises BadRow if one exceeds its range."""
        for name, value in values.items():
            if abs(value) > _LARGEST:
                raise BadRow(index, name, f"is larger than {_LARGEST:.2g}, the float32 limit")
        return np.asarray(list(values.values()), dtype=np.float32)

    def collate(self, features: Sequence[Feature]) -> dict[str, Array]:
        """The stacked rows."""
        return {name: stack(features, name) for name in self.names}

    def length(self, feature: Feature) -> int:  # noqa: ARG002
        """1: all rows have the same shape."""
        return 1


def _numbers(values: Sequence[object]) -> Array:
    """A column as float64, missing = NaN. Raises TypeError or ValueError if a number is odd."""
    if not set(map(type, values)) <= _COMMON:
        raise TypeError
    column = np.asarray(values, dtype=np.float64)
    if np.isinf(column).any():
        raise ValueError
    return column


def _all_scaled(column: Array, fit: NumberScale) -> Array:
    with np.errstate(over="ignore"):
        scaled = np.clip((column - fit["mean"]) / fit["std"], -1e6, 1e6)
    return np.where(np.isnan(column), 0.0, scaled)


def _scaled(value: float, fit: NumberScale) -> float:
    # Clipped, because the model would get infinity for values that exceed float32.
    return 0.0 if math.isnan(value) else max(-1e6, min(1e6, (value - fit["mean"]) / fit["std"]))
