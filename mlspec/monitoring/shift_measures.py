"""How far two sets of counts are apart: PSI, Kolmogorov-Smirnov and chi-square, and what of it is sampling noise."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from mlspec.monitoring.shift_measure import ShiftMeasure

Counted = npt.NDArray[np.float64]
_KS_MEAN: Final = 0.8687
"""Mean of the Kolmogorov distribution: sqrt(pi / 2) * ln 2."""
BINS: Final = 16
"""Bins of PSI and chi-square of a number."""


def psi(live: Counted, reference: Counted) -> ShiftMeasure | None:
    """The population stability index; None where either side has no rows.

    Without a shift its mean is (bins - 1) (1/n + 1/m). Half a row is added to each bin, so that an empty one is finite.
    """
    used = (live + reference) > 0
    n, m, count = live.sum(), reference.sum(), int(used.sum())
    if not n or not m:
        return None
    p, q = ((counts[used] + 0.5) / (total + 0.5 * count) for counts, total in ((live, n), (reference, m)))
    return ShiftMeasure(float(((p - q) * np.log(p / q)).sum()), (count - 1) * (1 / n + 1 / m))


def kolmogorov_smirnov(live: Counted, reference: Counted) -> ShiftMeasure | None:
    """The largest difference of the distribution functions at the edges of the bins, with its asymptotic p-value."""
    n, m = live.sum(), reference.sum()
    if not n or not m:
        return None
    distance = float(np.abs(np.cumsum(live) / n - np.cumsum(reference) / m).max())
    scale = math.sqrt(n * m / (n + m))
    return ShiftMeasure(distance, _KS_MEAN / scale, kolmogorov_tail(distance * scale))


def chi_square(live: Counted, reference: Counted) -> ShiftMeasure | None:
    """Cramér's V of the two samples with the p-value of the chi-square test; None with fewer than two bins."""
    table = np.stack([live, reference])[:, (live + reference) > 0]
    if table.shape[1] < 2 or not table.sum(axis=1).all():
        return None
    total, freedom = table.sum(), table.shape[1] - 1
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / total
    statistic = float(((table - expected) ** 2 / expected).sum())
    noise = math.sqrt(freedom / total)
    return ShiftMeasure(math.sqrt(statistic / total), noise, chi_square_tail(freedom, statistic))


def kolmogorov_tail(value: float) -> float:
    """The chance that a variable with the Kolmogorov distribution exceeds `value`.

    The series are those of `scipy.special`, whose import takes longer than a report of stored profiles.
    """
    if value < 0.04:
        return 1.0
    if value < 0.8:
        terms = (math.exp(-((2 * k - 1) ** 2) * math.pi**2 / (8 * value**2)) for k in range(1, 8))
        return 1 - math.sqrt(2 * math.pi) / value * math.fsum(terms)
    return 2 * math.fsum((-1) ** (k - 1) * math.exp(-2 * (k * value) ** 2) for k in range(1, 8))


def chi_square_tail(freedom: int, statistic: float) -> float:
    """The chance that a chi-square variable with that many degrees of freedom exceeds `statistic`."""
    half = statistic / 2
    if half <= 0:
        return 1.0
    odd = freedom % 2
    powers = np.arange(1, freedom // 2 + 1) - (0.5 if odd else 1.0)
    logarithms = powers * math.log(half) - half - np.asarray([math.lgamma(power + 1) for power in powers])
    return min(1.0, (math.erfc(math.sqrt(half)) if odd else 0.0) + math.fsum(np.exp(logarithms)))


def coarse(live: Counted, reference: Counted, bins: int = BINS) -> tuple[Counted, Counted]:
    """Adjacent bins joined until each has 1/`bins` of the reference; a bin that has it alone is not joined."""
    target, starts, filled = reference.sum() / bins * 0.999, [0], float(reference[0])
    for place, count in enumerate(reference[1:].tolist(), 1):
        if max(filled, count) >= target:
            starts.append(place)
            filled = 0.0
        filled += count
    return np.add.reduceat(live, starts), np.add.reduceat(reference, starts)
