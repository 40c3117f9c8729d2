"""How large the errors of a regression are, by its inputs and its predicted values: trees as plain numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from mlspec.monitoring.baseline.quantile_grid import Floats
from mlspec.records.record_file import Finite, Value

LEAST_ROWS: Final = 100
"""With fewer rows of the test split nothing is learned."""
_CHUNK: Final = 2000
"""Rows that are computed at once: it bounds the memory."""


@dataclass(frozen=True)
class ErrorRows:
    """Rows by the columns of the prediction log. Missing are NaN and None."""

    numbers: Mapping[str, Floats]
    categories: Mapping[str, npt.NDArray[np.object_]] = field(default_factory=dict)


class ErrorColumn(Value):
    """A column that errors depend on: a number, or the frequent values of a category, each compared by itself."""

    name: str = Field(description="As in the prediction log: `input.age`, `words.sentence`, `value`")
    fill: Finite = Field(0.0, description="What stands for a missing number")
    missing: bool = Field(False, description="Whether a missing number has a feature of its own")
    low: Finite = Field(0.0, description="1st percentile on the test split")
    high: Finite = Field(0.0, description="99th percentile on the test split")
    values: tuple[str, ...] = Field((), description="The frequent values of a category; empty for a number")

    def features(self, rows: ErrorRows) -> list[Floats]:
        """The numbers that the trees read."""
        if self.values:
            given = rows.categories[self.name]
            return [np.asarray(given == value, dtype=np.float64) for value in self.values]
        number = rows.numbers[self.name]
        absent = np.isnan(number)
        filled = np.where(absent, self.fill, number)
        return [filled, absent.astype(np.float64)] if self.missing else [filled]

    def beyond(self, rows: ErrorRows) -> float:
        """The share of numbers that are outside the two percentiles, or missing where none was before."""
        if self.values:
            return 0.0
        number = rows.numbers[self.name]
        odd = (number < self.low) | (number > self.high)
        return float(np.mean(odd if self.missing else odd | np.isnan(number)))


class ErrorTrees(Value):
    """Regression trees whose values add up. The nodes of all trees are in one row; a leaf is its own child."""

    base: Finite = Field(description="What the values of the leaves are added to")
    roots: tuple[int, ...] = Field(description="The first node of each tree")
    feature: tuple[int, ...] = Field(description="The number that a node compares")
    number: tuple[Finite, ...] = Field(description="The threshold of a node, or the value of a leaf")
    left: tuple[int, ...] = Field(description="The next node up to the threshold")
    right: tuple[int, ...] = Field(description="The next node above it")

    def of(self, features: npt.NDArray[np.float32]) -> Floats:
        """The value of each row [row, feature]."""
        number, feature = np.array(self.number), np.array(self.feature)
        left, right = np.array(self.left), np.array(self.right)
        node = np.tile(np.array(self.roots, dtype=np.int64), (len(features), 1))
        row = np.arange(len(features))[:, None]
        while True:
            after = np.where(features[row, feature[node]] <= number[node], left[node], right[node])
            if np.array_equal(after, node):
                return np.asarray(self.base + number[node].sum(axis=1), dtype=np.float64)
            node = after


class ErrorForest(Value):
    """What is expected of one kind of error."""

    members: tuple[ErrorTrees, ...] = Field(description="Each learned from another sample of the rows")
    noise: Finite = Field(description="Mean squared deviation of single errors, divided by the mean squared value")

    def of(self, features: npt.NDArray[np.float32]) -> Floats:
        """The expected error of each row by each member [member, row]."""
        chunks = [features[start : start + _CHUNK] for start in range(0, len(features), _CHUNK)]
        values = [np.stack([member.of(chunk) for member in self.members]) for chunk in chunks]
        return np.maximum(np.concatenate(values, axis=1), 0.0)


class ErrorModel(Value):
    """A second model, which learned from the test split how large the errors of the first one are."""

    problem: Literal["", "few rows", "no skill"] = Field("", description="Why nothing is expected")
    rows: int = Field(description="Rows of the test split that it learned from")
    hidden: Mapping[str, str] = Field({}, description="Inputs whose values are not logged, and why")
    columns: tuple[ErrorColumn, ...] = Field((), description="What the trees read")
    absolute: ErrorForest | None = Field(None, description="Of the absolute error")
    squared: ErrorForest | None = Field(None, description="Of the squared error; absent without skill")

    def features(self, rows: ErrorRows) -> npt.NDArray[np.float32]:
        """What the trees read of each row [row, feature]."""
        return np.stack([f for c in self.columns for f in c.features(rows)], axis=1).astype(np.float32)
