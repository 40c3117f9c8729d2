"""Values of one column to positions in 0..1 under the reference: uniform as long as the column does not change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np

from mlspec.monitoring.baseline.reference import Hashes, is_known, word_hash
from mlspec.monitoring.drift.arrays import Floats, Integers

MISSING: Final = -2
UNSEEN: Final = -1


@dataclass(frozen=True)
class NumberPositions:
    """Numbers by equally likely values of the reference, in ascending order, ties included."""

    points: Floats

    def positions(self, values: Floats, draws: Floats) -> Floats:
        """The probability of smaller values; `draws` picks one of the range of a value that repeats."""
        if len(self.points) == 0:
            return np.full(len(values), np.nan)
        low, high = (np.searchsorted(self.points, values, side) / len(self.points) for side in ("left", "right"))
        return np.where(np.isnan(values), np.nan, low + draws * (high - low))


@dataclass(frozen=True)
class CategoryPositions:
    """Categories by their share in the reference, the most frequent first. `other` shares one range."""

    shares: Mapping[str, float]
    other: Hashes = field(default_factory=lambda: np.empty(0, dtype=np.uint32))
    """Sorted hashes of rare categories."""

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The categories, the most frequent first."""
        return by_share(self.shares)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.order)}

    @cached_property
    def _edges(self) -> Floats:
        result: Floats = np.cumsum([0.0, *(self.shares[name] for name in self.order)])
        if result[-1] > 1 or not len(self.other):
            result = result / max(result[-1], 1e-12)
        return np.append(result, 1.0)

    def indices(self, values: Sequence[object]) -> Integers:
        """The place of each value in `order`, or after its end for a rare one; MISSING or UNSEEN otherwise."""
        index = self._index
        places = np.array([MISSING if v is None else index.get(str(v), UNSEEN) for v in values], dtype=np.int64)
        unknown = np.flatnonzero(places == UNSEEN).tolist()
        if len(unknown) and len(self.other):
            hashes = np.fromiter((word_hash(str(values[i])) for i in unknown), dtype=np.uint32, count=len(unknown))
            places[np.array(unknown)[is_known(hashes, self.other)]] = len(self.order)
        return places

    def positions(self, indices: Integers, draws: Floats) -> Floats:
        """A point in the range of each category, picked by `draws`; NaN where a value is missing or unseen."""
        known = indices >= 0
        at = np.where(known, indices, 0)
        low, high = self._edges[at], self._edges[at + 1]
        return np.where(known, low + draws * (high - low), np.nan)


def by_share(shares: Mapping[str, float]) -> tuple[str, ...]:
    """Names, those with the largest share first."""
    return tuple(sorted(shares, key=lambda name: (-shares[name], name)))


def uniform_draws(rows: Integers, seed: int) -> Floats:
    """A number in 0..1 for each row that depends on the number of the row and on `seed` alone."""
    with np.errstate(over="ignore"):
        mixed = rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed * 0x632BE59BD9B4E019 % 2**64)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    result: Floats = (mixed >> np.uint64(11)).astype(np.float64) / 2**53
    return result
