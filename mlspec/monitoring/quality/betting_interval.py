"""Intervals of the mean of values in 0..1 that hold at every row at once, whatever the distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mlspec.monitoring.drift.arrays import Floats

_LARGEST_BET = 0.5


@dataclass
class BettingInterval:
    """An empirical-Bernstein confidence sequence with predictable bets; `level` is the probability that it ever misses.

    The mean may change from row to row: the interval is then that of the mean of the means, weighted by the bets.
    """

    level: float
    rows: int = 0
    total: float = 0.0
    squares: float = 0.0
    """Squared differences from the mean before each row."""
    bets: float = 0.0
    weighted: float = 0.0
    spent: float = 0.0
    low: float = 0.0
    high: float = 1.0

    def update(self, values: Floats) -> None:
        """Take in values in 0..1."""
        for value in np.clip(values, 0.0, 1.0).tolist():
            self._add(value)

    def _add(self, value: float) -> None:
        mean = (0.5 + self.total) / (self.rows + 1)
        variance = (0.25 + self.squares) / (self.rows + 1)
        self.rows += 1
        bet = math.sqrt(2 * math.log(2 / self.level) / (variance * self.rows * math.log(self.rows + 1)))
        bet = min(bet, _LARGEST_BET)
        self.spent += 4 * (value - mean) ** 2 * (-math.log1p(-bet) - bet) / 4
        self.bets += bet
        self.weighted += bet * value
        self.total += value
        self.squares += (value - (0.5 + self.total) / (self.rows + 1)) ** 2
        center, half = self.weighted / self.bets, (math.log(2 / self.level) + self.spent) / self.bets
        self.low, self.high = max(0.0, center - half), min(1.0, center + half)

    @property
    def mean(self) -> float:
        """The mean of all values."""
        return self.total / self.rows if self.rows else 0.5
