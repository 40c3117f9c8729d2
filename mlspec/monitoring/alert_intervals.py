"""95 % intervals of what an alert measures in one window: a share, a percentile, or a number of requests."""

from __future__ import annotations

from typing import Final

from scipy.special import bdtr, chdtri

_TAIL: Final = 0.025


def percentile_ranks(count: int, share: float) -> tuple[int, int] | None:
    """Positions, from 1, of two of `count` ordered values, between which the percentile lies; None if they are too few.

    As many values as a binomial distribution says are below the percentile, whatever the distribution of the values.
    """
    below = bdtr(range(count), count, share)  # at most 0, 1, ... values are below
    low = int((below < _TAIL).sum())
    high = int((below < 1 - _TAIL).sum()) + 1
    return (low, high) if low >= 1 and high <= count else None


def expected_count(count: int) -> tuple[float, float]:
    """What is expected in a window in which `count` was counted (exact interval of a Poisson distribution)."""
    low = chdtri(2 * count, 1 - _TAIL) / 2 if count else 0.0
    return float(low), float(chdtri(2 * count + 2, _TAIL) / 2)
