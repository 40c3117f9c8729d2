"""What drift detection can see: the rows until a change of a given size raises an alarm, and the size seen in rows.

Rows are those of the median: half of the changes are found earlier. Closed form: the logarithm of the best bet is taken
for a Brownian motion, which has to go from what the starting rows contribute to the threshold of its share.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from scipy.special import gammaincinv, log_ndtr, ndtr

from mlspec.monitoring.drift.arrays import Floats
from mlspec.monitoring.drift.budget import Budget, duration_words
from mlspec.monitoring.drift.evidence import DIRECTIONS, WEIGHTS, Bets
from mlspec.monitoring.drift.streams import Stream

SHIFTS: Final = (0.1, 0.2, 0.3, 0.5, 1.0)
"""Shifts in standard deviations that a table shows."""
_POINTS: Final = np.array([NormalDist().inv_cdf((i + 0.5) / 400) for i in range(400)])


@dataclass(frozen=True)
class DetectableChange:
    """A change, and the median rows until it raises an alarm; infinite where it is within the tolerance."""

    change: str
    rows: float

    def words(self, budget: Budget) -> str:
        """`0.3 sd in about 400 rows (10 hours)`."""
        if not math.isfinite(self.rows):
            return f"{self.change}: never, it is within the tolerance"
        return f"{self.change} in about {_rounded(self.rows):,} rows ({duration_words(budget.days(self.rows))})"


def rows_to_detect(stream: Stream, values: Floats, threshold: float) -> float:
    """The median number of rows until the threshold, for a stream whose values are equally often those in `values`."""
    bets = Bets(np.array([stream.mean]), np.array([stream.tolerance]))
    logs = np.log(bets.factors(values[:, None]))[:, 0]
    growth, shares = logs.mean(axis=0), stream.weight * WEIGHTS / DIRECTIONS
    direction, bet = np.unravel_index(np.argmax(growth), growth.shape)
    rate, variance = float(growth[direction, bet]), float(logs[:, direction, bet].var())
    if rate <= 0:
        return math.inf
    needed, starts = math.log(threshold / shares[bet]), _starts(rate, variance)

    def rows(so_far: float) -> float:
        return _median_passage(max(needed - min(starts, math.log1p(so_far)), rate), rate, variance)

    return _fixed_point(rows, rows(0.0))


def _fixed_point(function: Callable[[float], float], highest: float) -> float:
    """The number at which a falling function has its own argument as its value; at most `highest`."""
    low, high = 0.0, highest
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) > middle else (low, middle)
    return high


def _starts(rate: float, variance: float) -> float:
    """The logarithm of what all starting rows contribute beside the first: the integral of exp(-walk), by its median.

    Of a Brownian motion with this drift and variance it is the inverse of a gamma variable (Dufresne). Where the drift
    is close to zero it exceeds what the rows so far can contribute, which is about their number.
    """
    if variance < 1e-9:
        return -math.log1p(-math.exp(-rate))
    return math.log1p(2 / (variance * max(float(gammaincinv(2 * rate / variance, 0.5)), 1e-12)))


def _median_passage(distance: float, rate: float, variance: float) -> float:
    """The median time at which a Brownian motion with this drift and variance has come so far."""
    if variance < 1e-9:
        return distance / rate
    return inverse_gaussian_median(distance / rate, distance**2 / variance)


def inverse_gaussian_median(mean: float, shape: float) -> float:
    """The median of an inverse Gaussian variable, which is below its mean."""

    def reached(time: float) -> bool:
        root = math.sqrt(shape / time)
        later = math.exp(2 * shape / mean + float(log_ndtr(-root * (time / mean + 1))))
        return float(ndtr(root * (time / mean - 1))) + later >= 0.5

    low, high = 0.0, mean
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def shift_values(shift: float) -> Floats:
    """Positions of a normal column that has moved by `shift` standard deviations."""
    return np.array([NormalDist().cdf(x + shift) for x in _POINTS.tolist()])


def shifts_seen(stream: Stream, threshold: float, shifts: tuple[float, ...] = SHIFTS) -> list[DetectableChange]:
    """The rows for shifts of a number column."""
    return [DetectableChange(f"{s:g} sd", rows_to_detect(stream, shift_values(s), threshold)) for s in shifts]


def shift_within(stream: Stream, threshold: float, rows: float) -> float:
    """The smallest shift in standard deviations that half of the time raises an alarm within `rows`; up to 5."""
    return _smallest(lambda shift: rows_to_detect(stream, shift_values(shift), threshold) <= rows, 5.0)


def _smallest(seen: Callable[[float], bool], highest: float) -> float:
    if not seen(highest):
        return math.inf
    low, high = 0.0, highest
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (low, middle) if seen(middle) else (middle, high)
    return high


def power_words(stream: Stream, threshold: float, budget: Budget) -> list[str]:
    """What can be seen at the traffic, line by line."""
    day = shift_within(stream, threshold, budget.rows_per_day)
    least = f"a shift of {day:.2f} sd or more" if math.isfinite(day) else "no shift"
    rows = f"{budget.rows_per_day:,.0f} rows"
    lines = [f"in a day ({rows}): {least}", *(s.words(budget) for s in shifts_seen(stream, threshold))]
    return [budget.words(), *lines]


def _rounded(rows: float) -> int:
    digits = max(len(f"{rows:.0f}") - 2, 0)
    step = int(10**digits)
    return round(rows / step) * step
