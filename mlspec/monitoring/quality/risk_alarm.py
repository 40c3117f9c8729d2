"""Whether the loss of a deployed model has risen by more than a tolerance, with a bound on false alarms."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Final, Literal, Self, TypeAlias

import numpy as np
from pydantic import JsonValue, TypeAdapter

from mlspec.monitoring.drift.arrays import Floats
from mlspec.monitoring.drift.evidence import CAP, DIRECTIONS, FRACTIONS, WEIGHTS, Bets, accumulate
from mlspec.monitoring.quality.betting_interval import BettingInterval
from mlspec.render.formatting import number, share

RiskState: TypeAlias = Literal["harmful", "within the tolerance", "unknown"]
LEVEL: Final = 0.05
"""The probability that a model whose loss has not risen ever raises an alarm."""

_DATING_BET: Final = 1
"""The bet that dates a change: the second of FRACTIONS."""


@dataclass(frozen=True)
class Risk:
    """A mean loss in 0..1 with its interval, against what is allowed."""

    state: RiskState
    loss: float
    low: float
    high: float
    allowed: float
    """The upper bound of the loss before, and the tolerance."""
    rows: int
    since: str = ""
    """Which rows these are, if not all."""
    scale: float | None = None
    """The absolute error that is a loss of 1; None of a classification: its loss is the share of wrong predictions."""

    def words(self) -> str:
        """One sentence."""
        what = "a share of wrong predictions" if self.scale is None else "a mean absolute error"
        ends = f"between {self._form(self.low)} and {self._form(self.high)}"
        measured, allowed = f"{what} {ends} in {self.rows:,} labelled rows{self.since}", self._form(self.allowed)
        match self.state:
            case "harmful":
                return f"harmful: {measured}; allowed is {allowed}"
            case "within the tolerance":
                return f"not harmful: {measured}, which is within the allowed {allowed}"
            case "unknown":
                return (
                    f"unknown whether it is harmful: {measured}; more labels are needed to compare it with the "
                    f"allowed {allowed}"
                )

    def _form(self, loss: float) -> str:
        return share(loss) if self.scale is None else number(loss * self.scale)


@dataclass
class RiskMonitor:
    """Losses in 0..1 of labelled live rows, in order, against those of the test split."""

    source: BettingInterval
    live: BettingInterval
    tolerance: float
    budget_rows: float
    """The mean number of labelled rows between two false alarms."""
    sums: tuple[float, ...] = (0.0,) * len(FRACTIONS)
    alarm_row: int | None = None

    @classmethod
    def of(cls, source: Floats, tolerance: float, budget_rows: float, level: float = LEVEL) -> Self:
        """`source` are the losses of rows that the model was not trained on; their order is of no importance."""
        interval = BettingInterval(level)
        interval.update(source)
        return cls(interval, BettingInterval(level), tolerance, budget_rows)

    def update(self, losses: Floats) -> None:
        """Take in losses of live rows: evidence that begins at each row finds a late rise, too."""
        bets = Bets(np.array([self.allowed]), np.zeros(1))
        factors = bets.factors(losses[:, None])
        sums = np.zeros((1, DIRECTIONS, len(FRACTIONS)))
        sums[0, 0] = self.sums
        evidence = accumulate(sums, factors, np.ones((len(losses), 1)))[:, 0, 0]
        self.sums = tuple(np.minimum(sums[0, 0], CAP).tolist())
        reached = np.flatnonzero(evidence >= self.budget_rows)
        if self.alarm_row is None and len(reached):
            self.alarm_row = self.live.rows + int(reached[0])
        self.live.update(losses)

    @property
    def evidence(self) -> float:
        """That the loss has risen: an alarm is raised at `budget_rows`."""
        return float(np.dot(self.sums, WEIGHTS))

    def start(self, losses: Floats) -> int:
        """The row from which on the loss is above the allowed one: the one after the lowest point of a bet on it."""
        factors = Bets(np.array([self.allowed]), np.zeros(1)).factors(losses[:, None])[:, 0, 0, _DATING_BET]
        path = np.concatenate([[0.0], np.cumsum(np.log(factors))])
        return min(int(path.argmin()), len(losses) - 1)

    def rows_until(self, loss: float) -> float:
        """Rows after which a share `loss` of losses of 1, the others 0, is about to raise an alarm; infinite if none.

        The time that the fastest of the bets needs to reach the threshold, by its growth for each row.
        """
        highest = self.allowed
        if loss <= highest or highest >= 1:
            return math.inf
        up, down = np.log1p(FRACTIONS * (1 - highest) / highest), np.log1p(-FRACTIONS)
        growth = loss * up + (1 - loss) * down
        bets = [
            math.log(self.budget_rows / w) / g for w, g in zip(WEIGHTS.tolist(), growth.tolist(), strict=True) if g > 0
        ]
        return min(bets, default=math.inf)

    @property
    def allowed(self) -> float:
        """The largest loss within the tolerance."""
        return min(1.0, self.source.high + self.tolerance)

    def risk(self) -> Risk:
        """The state after all rows so far."""
        live = self.live
        state: RiskState = "unknown"
        if self.alarm_row is not None or live.low > self.allowed:
            state = "harmful"
        elif live.high <= self.allowed:
            state = "within the tolerance"
        return Risk(state, live.mean, live.low, live.high, self.allowed, live.rows)

    def risk_since(self, losses: Floats, since: str) -> Risk:
        """The state of the last rows alone, whose losses are given: what came before does not dilute them."""
        interval = BettingInterval(self.live.level)
        interval.update(losses)
        state: RiskState = "unknown"
        if self.alarm_row is not None or interval.low > self.allowed:
            state = "harmful"
        elif interval.high <= self.allowed:
            state = "within the tolerance"
        return Risk(state, interval.mean, interval.low, interval.high, self.allowed, interval.rows, since)

    def to_json(self) -> dict[str, JsonValue]:
        """The state."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: object) -> RiskMonitor:
        """From `to_json`. Raises ValueError for what is not a state."""
        return _STATE.validate_python(document)


_STATE: Final = TypeAdapter(RiskMonitor)
