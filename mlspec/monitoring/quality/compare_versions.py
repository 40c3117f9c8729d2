"""Champion against challenger on the same rows: better, worse or keep going.

Every statement is valid at any row: one may look as often as one likes and stop when it is decided.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mlspec.monitoring.drift.arrays import Floats
from mlspec.monitoring.drift.mean_interval import LEVEL
from mlspec.monitoring.quality.betting_interval import BettingInterval
from mlspec.render.formatting import signed

Verdict = Literal["better", "worse", "keep going"]


@dataclass(frozen=True)
class Comparison:
    """The challenger's loss less the champion's, with its interval: below 0 the challenger is better."""

    verdict: Verdict
    difference: float
    low: float
    high: float
    rows: int
    scale: float | None = None
    """The absolute error that is a loss of 1; None of a classification: its loss is the share of wrong predictions."""

    def words(self) -> str:
        """One sentence."""
        what = "share of wrong predictions" if self.scale is None else "mean absolute error"
        difference, low, high = (signed(x * (self.scale or 1.0)) for x in (self.difference, self.low, self.high))
        interval = f"{what} {difference} ({low} to {high}) in {self.rows:,} rows"
        match self.verdict:
            case "better":
                return f"the challenger is better: {interval}"
            case "worse":
                return f"the challenger is worse: {interval}"
            case "keep going":
                return f"not decided: {interval}"


@dataclass
class PairedComparison:
    """Both models answered the same rows; losses in 0..1, valid whatever their distribution."""

    interval: BettingInterval = field(default_factory=lambda: BettingInterval(LEVEL))
    margin: float = 0.0
    """How much better the challenger has to be."""
    scale: float | None = None
    """The absolute error that is a loss of 1; None of a classification."""

    def update(self, champion: Floats, challenger: Floats) -> None:
        """Take in the losses of the next rows."""
        self.interval.update((challenger - champion + 1) / 2)

    def result(self) -> Comparison:
        """The verdict so far."""
        inner = self.interval
        low, high = 2 * inner.low - 1, 2 * inner.high - 1
        return Comparison(_verdict(low, high, self.margin), 2 * inner.mean - 1, low, high, inner.rows, self.scale)


def _verdict(low: float, high: float, margin: float) -> Verdict:
    return "better" if high < -margin else "worse" if low > margin else "keep going"
