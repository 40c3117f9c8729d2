"""Values of one column to positions in 0..1 under the reference: uniform as long as the column does not change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlspec.monitoring.drift.arrays import Floats, Integers


@dataclass(frozen=True)
class NumberPositions:
    """Numbers by the quantiles of the reference, at equal steps of probability from 0 to 1."""

    quantiles: Floats

    def positions(self, values: Floats, draws: Floats) -> Floats:
        """The probability of smaller values; `draws` picks one of the range of a value that repeats."""
        if len(self.quantiles) == 0:
            return np.full(len(values), np.nan)
        low, high = self._range(values)
        return np.where(np.isnan(values), np.nan, low + draws * (high - low))

    def _range(self, values: Floats) -> tuple[Floats, Floats]:
        """The probabilities of a smaller value and of a value that is not larger."""
        grid, steps = self.quantiles, max(len(self.quantiles) - 1, 1)
        left, right = np.searchsorted(grid, values, "left"), np.searchsorted(grid, values, "right")
        between = (left == right) & (left > 0) & (left < len(grid))
        below, above = grid[np.clip(left - 1, 0, None)], grid[np.clip(left, None, len(grid) - 1)]
        with np.errstate(invalid="ignore", divide="ignore"):
            part = np.where(between, (values - below) / (above - below), 0.0)
        inner = (left - 1 + np.nan_to_num(part, nan=0.5)) / steps
        first = np.where(between, inner, np.where(left == right, np.where(left == 0, 0.0, 1.0), left / steps))
        last = np.where(between | (left == right), first, (right - 1) / steps)
        if len(grid) == 1:
            return np.where(left == right, first, 0.0), np.where(left == right, first, 1.0)
        return first, np.maximum(first, last)


@dataclass(frozen=True)
class CategoryPositions:
    """Categories by their share in the reference, the most frequent first."""

    shares: Mapping[str, float]

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The categories, the most frequent first."""
        return tuple(sorted(self.shares, key=lambda name: (-self.shares[name], name)))

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.order)}

    @cached_property
    def _edges(self) -> Floats:
        shares = np.array([self.shares[name] for name in self.order], dtype=np.float64)
        edges = np.concatenate([[0.0], np.cumsum(shares)])
        result: Floats = edges / edges[-1] if edges[-1] > 0 else edges
        return result

    def indices(self, values: Sequence[object]) -> Integers:
        """The place of each value in `order`; -1 for one that is not in the reference, -2 where it is missing."""
        index = self._index
        return np.array([-2 if v is None else index.get(str(v), -1) for v in values], dtype=np.int64)

    def positions(self, indices: Integers, draws: Floats) -> Floats:
        """A point in the range of each category, picked by `draws`; NaN where a value is missing or unseen."""
        known = indices >= 0
        at = np.where(known, indices, 0)
        if not self.shares:
            return np.full(len(indices), np.nan)
        low, high = self._edges[at], self._edges[at + 1]
        return np.where(known, low + draws * (high - low), np.nan)


def uniform_draws(rows: Integers, seed: int) -> Floats:
    """A number in 0..1 for each row that depends on the number of the row and on `seed` alone."""
    with np.errstate(over="ignore"):
        mixed = rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed % 2**64)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    result: Floats = (mixed >> np.uint64(11)).astype(np.float64) / 2**53
    return result
