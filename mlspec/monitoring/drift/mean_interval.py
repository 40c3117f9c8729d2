"""Intervals of a mean that hold at every row at once, so that they may be read at any time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

LEVEL: Final = 0.05
"""The probability that an interval ever misses the mean."""
_TUNED: Final = 500
"""The number of rows at which the intervals are narrowest."""


@dataclass(frozen=True)
class Moments:
    """Count, sum and sum of squares of values in 0..1."""

    rows: float
    total: float
    squares: float

    @property
    def mean(self) -> float:
        """The mean; 0.5 of no values."""
        return self.total / self.rows if self.rows else 0.5

    @property
    def deviation(self) -> float:
        """The standard deviation, with one value at each end added, so that it is never 0."""
        rows, total, squares = self.rows + 2, self.total + 1, self.squares + 1
        return math.sqrt(max(squares / rows - (total / rows) ** 2, 1e-12))

    def minus(self, other: Moments) -> Moments:
        """Without the values of `other`, which came first."""
        return Moments(self.rows - other.rows, self.total - other.total, self.squares - other.squares)


def radius(deviation: float, rows: float, level: float = LEVEL) -> float:
    """Half the width of the asymptotic confidence sequence of a mean (Robbins' mixture of normal distributions)."""
    if rows < 1:
        return math.inf
    rate = (-2 * math.log(level) + math.log(-2 * math.log(level) + 1)) / _TUNED
    inner = (rows * rate + 1) / (rows**2 * rate)
    return deviation * math.sqrt(inner * (math.log(rows * rate + 1) + 2 * math.log(1 / level)))


def mean_interval(moments: Moments, level: float = LEVEL) -> tuple[float, float]:
    """The interval of the mean of values in 0..1, valid at every number of rows at once."""
    half = radius(moments.deviation, moments.rows, level)
    return max(0.0, moments.mean - half), min(1.0, moments.mean + half)
