"""Evidence that the mean of values in 0..1 has changed: sums of betting processes, one start for each row.

A bet multiplies its stake by `1 + rate * (value - mean - tolerance)`, or the mirror image for a fall. The factor is 1
or less in expectation as long as the mean has not moved by more than the tolerance, whatever came before. The sum of
Shiryaev and Roberts, `M <- (rows + M) * factor`, starts one bet at each row. It is at most the number of rows in
expectation, so that a threshold of c is reached after c rows or more on average.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from mlspec.monitoring.drift.arrays import Booleans, Floats

FRACTIONS: Final = np.array([0.1, 0.25, 0.45, 0.8])
"""Bets as fractions of the largest rate that cannot lose more than the stake."""
WEIGHTS: Final = np.array([0.08, 0.27, 0.45, 0.2])
"""Shares of the bets in the mixture: their sum is 1."""
DIRECTIONS: Final = 2
"""Index 0: the mean has risen; 1: it has fallen."""

CAP: Final = 1e200
"""Limit of the mixtures, far above any threshold."""


@dataclass(frozen=True)
class Bets:
    """The bets on several streams. Arrays have one entry for each stream."""

    means: Floats
    tolerances: Floats

    @property
    def highest(self) -> Floats:
        """The largest mean that counts as unchanged."""
        result: Floats = np.minimum(self.means + self.tolerances, 1.0)
        return result

    @property
    def lowest(self) -> Floats:
        """The smallest mean that counts as unchanged."""
        result: Floats = np.maximum(self.means - self.tolerances, 0.0)
        return result

    def rates(self) -> Floats:
        """By stream, direction and bet."""
        losses = np.stack([self.highest, 1.0 - self.lowest], axis=1)
        result: Floats = FRACTIONS / np.maximum(losses, 1e-9)[:, :, None]
        return result

    def factors(self, values: Floats) -> Floats:
        """What each bet multiplies its stake by, for values by row and stream; 1 without a value (NaN)."""
        result: Floats = self._gains(values)[..., None] * self.rates()
        result += 1.0
        return result

    def _gains(self, values: Floats) -> Floats:
        gains: Floats = np.empty((*values.shape, DIRECTIONS))
        np.subtract(values, self.highest, out=gains[..., 0])
        np.subtract(self.lowest, values, out=gains[..., 1])
        gains[np.isnan(values)] = 0.0
        return gains


def accumulate(sums: Floats, factors: Floats, rows: Floats) -> Floats:
    """The mixture of the sums by step, stream and direction. `sums` (stream, direction, bet) is updated in place.

    `factors` has the steps as its first axis; `rows` (step, stream) is the number of values in each step.
    """
    history: Floats = np.empty_like(factors)
    current = sums
    with np.errstate(over="ignore"):
        for start, factor, after in zip(rows[:, :, None, None], factors, history, strict=True):
            np.add(current, start, out=after)
            after *= factor
            current = after
    sums[...] = current
    mixtures: Floats = np.minimum(history @ WEIGHTS, CAP)
    return mixtures


def changed_columns(evidence: Floats, threshold: float) -> Booleans:
    """The columns with enough evidence, by the Benjamini-Hochberg rule for e-detectors (e-d-BH).

    `threshold` is that of the strongest column: the number of columns times the rows of the budget. Of all columns that
    have not changed, the expected share among those named is at most one in the rows of the budget per row.
    """
    order = np.argsort(-evidence, kind="stable")
    enough = np.flatnonzero(evidence[order] * np.arange(1, len(evidence) + 1) >= threshold)
    result = np.zeros(len(evidence), dtype=np.bool_)
    result[order[: enough[-1] + 1 if len(enough) else 0]] = True
    return result
