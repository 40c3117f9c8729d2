"""Champion against challenger, on the same rows or on divided traffic: better, worse or keep going.

Every statement is valid at any row: one may look as often as one likes and stop when it is decided.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from mlspec.monitoring.drift.arrays import Floats
from mlspec.monitoring.drift.mean_interval import LEVEL, radius
from mlspec.monitoring.quality.betting_interval import BettingInterval

Verdict = Literal["better", "worse", "keep going"]
MISMATCH: Final = 1000.0
"""Evidence at which a split counts as wrong: falsely in one of so many comparisons."""
_PRIOR: Final = 100.0


@dataclass(frozen=True)
class Comparison:
    """The challenger's loss less the champion's, with its interval: below 0 the challenger is better."""

    verdict: Verdict
    difference: float
    low: float
    high: float
    rows: int

    def words(self) -> str:
        """One sentence."""
        interval = f"loss {self.difference:+.4f} ({self.low:+.4f} to {self.high:+.4f}) in {self.rows:,} rows"
        match self.verdict:
            case "better":
                return f"the challenger is better: {interval}"
            case "worse":
                return f"the challenger is worse: {interval}"
            case "keep going":
                return f"not decided: {interval}"


@dataclass
class PairedComparison:
    """Both models answered the same rows; losses in 0..1. Valid without an assumption on their distribution."""

    interval: BettingInterval = field(default_factory=lambda: BettingInterval(LEVEL))
    margin: float = 0.0
    """How much better the challenger has to be."""

    def update(self, champion: Floats, challenger: Floats) -> None:
        """Take in the losses of the next rows."""
        self.interval.update((challenger - champion + 1) / 2)

    def result(self) -> Comparison:
        """The verdict so far."""
        inner = self.interval
        low, high = 2 * inner.low - 1, 2 * inner.high - 1
        return Comparison(_verdict(low, high, self.margin), 2 * inner.mean - 1, low, high, inner.rows)


def compare_groups(champion: Floats, challenger: Floats, level: float = LEVEL) -> Comparison:
    """Each model answered its own rows: any bounded or light-tailed losses, by an asymptotic confidence sequence."""
    rows = len(champion) + len(challenger)
    if min(len(champion), len(challenger)) < 2:
        return Comparison("keep going", 0.0, -math.inf, math.inf, rows)
    difference = float(challenger.mean() - champion.mean())
    half = sum(radius(float(side.std(ddof=1)), len(side), level / 2) for side in (champion, challenger))
    low, high = difference - half, difference + half
    return Comparison(_verdict(low, high, 0.0), difference, low, high, rows)


def _verdict(low: float, high: float, margin: float) -> Verdict:
    return "better" if high < -margin else "worse" if low > margin else "keep going"


@dataclass
class SplitCheck:
    """Whether rows reach the versions in the declared shares (sample ratio mismatch), by a sequential multinomial test.

    The evidence is a Dirichlet mixture of multinomial likelihoods against the declared one.
    """

    shares: Mapping[str, float]
    counts: dict[str, int] = field(default_factory=dict)
    highest: float = 1.0
    """The largest evidence so far."""

    def update(self, versions: Mapping[str, int]) -> None:
        """Take in the number of further rows by version."""
        for version, rows in versions.items():
            self.counts[version] = self.counts.get(version, 0) + rows
        self.highest = max(self.highest, self.evidence())

    def evidence(self) -> float:
        """At most 1 in expectation as long as the shares are as declared; infinite for a version that has none."""
        if any(rows and not self.shares.get(version) for version, rows in self.counts.items()):
            return math.inf
        rows = np.array([self.counts.get(version, 0) for version in self.shares], dtype=np.float64)
        shares = np.array(list(self.shares.values())) / sum(self.shares.values())
        prior = _PRIOR * shares
        logs = math.lgamma(_PRIOR) - math.lgamma(_PRIOR + rows.sum())
        parts = zip(prior.tolist(), rows.tolist(), shares.tolist(), strict=True)
        logs += sum(math.lgamma(a + n) - math.lgamma(a) - n * math.log(p) for a, n, p in parts if p > 0)
        return math.exp(min(logs, 700.0))

    @property
    def wrong(self) -> bool:
        """Whether the split does not have the declared shares."""
        return self.highest >= MISMATCH

    def words(self) -> str:
        """One sentence."""
        total = max(sum(self.counts.values()), 1)
        whole = sum(self.shares.values())
        parts = (f"{v}: {self.counts.get(v, 0) / total:.1%}, declared {s / whole:.1%}" for v, s in self.shares.items())
        text = "; ".join(parts)
        if self.wrong:
            return f"the split of the traffic is wrong, so the versions cannot be compared: {text}"
        return f"the split of the traffic is as declared: {text}"
