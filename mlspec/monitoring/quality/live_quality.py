"""Quality of labelled predictions by window, version and slice, with intervals and the share that has labels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np

from mlspec.monitoring.drift.arrays import Booleans, Floats
from mlspec.monitoring.drift.drift_alarm import RowGroup

LEVEL: Final = 0.05
BIAS: Final = 0.001
"""The probability at which labelled rows falsely count as different from the others."""


@dataclass(frozen=True)
class ScoredRows:
    """Predictions in the order of time. `values` are right answers (1 or 0) or absolute errors; NaN without a label."""

    times: Floats
    """Seconds since 1970, UTC."""
    versions: Sequence[str]
    values: Floats
    scores: Floats
    """The model's confidence, of all rows; NaN where there is none."""
    slices: Sequence[str] = ()


@dataclass(frozen=True)
class Measurement:
    """A mean over one window, version and slice."""

    group: RowGroup
    since: float
    until: float
    value: float
    low: float
    high: float
    labelled: int
    rows: int

    @property
    def labelled_share(self) -> float:
        """The share of the predictions that have a label."""
        return self.labelled / self.rows if self.rows else 0.0

    def words(self, metric: str) -> str:
        """One sentence."""
        share = f"{self.labelled:,} of {self.rows:,} rows labelled ({self.labelled_share:.0%})"
        if not self.labelled:
            return f"{metric} unknown: {share}"
        return f"{metric} {self.value:.3f} ({self.low:.3f} to {self.high:.3f}), {share}"


def measurements(rows: ScoredRows, window: float, *, shares: bool) -> list[Measurement]:
    """One for each window of `window` seconds, version and slice. `shares`: the values are 0 or 1."""
    times = np.floor(rows.times / window)
    result = []
    for at in np.unique(times[np.isfinite(times)]).tolist():
        for group, chosen in _groups(rows, times == at):
            value, low, high = _mean(rows.values[chosen], shares)
            labelled = int(np.sum(~np.isnan(rows.values[chosen])))
            until = (at + 1) * window
            result.append(Measurement(group, at * window, until, value, low, high, labelled, int(chosen.sum())))
    return result


def _groups(rows: ScoredRows, inside: Booleans) -> Iterator[tuple[RowGroup, Booleans]]:
    versions, slices = np.array(rows.versions, dtype=np.str_), np.array(rows.slices, dtype=np.str_)
    for version in np.unique(versions[inside]).tolist():
        chosen = inside & (versions == version)
        yield RowGroup(version), chosen
        for name in np.unique(slices[chosen]).tolist() if len(slices) else ():
            yield RowGroup(version, name), chosen & (slices == name)


def _mean(values: Floats, shares: bool) -> tuple[float, float, float]:
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan"), float("nan")
    mean = float(known.mean())
    if shares:
        return mean, *wilson(round(float(known.sum())), len(known))
    half = _z(LEVEL) * float(known.std(ddof=1)) / math.sqrt(len(known)) if len(known) > 1 else math.inf
    return mean, mean - half, mean + half


def wilson(successes: int, rows: int, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's interval of a share."""
    z, share = _z(level), successes / rows
    middle = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
    half = z / (1 + z**2 / rows) * math.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def _z(level: float) -> float:
    return NormalDist().inv_cdf(1 - level / 2)


@dataclass(frozen=True)
class LabelBias:
    """Whether labelled rows differ from the others in the model's confidence."""

    labelled: float
    others: float
    p_value: float

    @property
    def biased(self) -> bool:
        """Whether the measured quality is not that of all rows."""
        return self.p_value < BIAS

    def words(self) -> str:
        """One sentence."""
        means = f"mean confidence {self.labelled:.3f} of labelled rows, {self.others:.3f} of the others"
        if self.biased:
            return f"the labelled rows are not like the others ({means}): the measured quality is not that of all rows"
        return f"the labelled rows are like the others ({means})"


def label_bias(rows: ScoredRows) -> LabelBias | None:
    """Welch's test of the confidence; None where there is too little to compare."""
    labelled = ~np.isnan(rows.values)
    sides = [rows.scores[side & ~np.isnan(rows.scores)] for side in (labelled, ~labelled)]
    if min(len(side) for side in sides) < 2:
        return None
    error = math.sqrt(sum(float(side.var(ddof=1)) / len(side) for side in sides))
    difference = abs(float(sides[0].mean() - sides[1].mean()))
    z = difference / error if error > 0 else math.inf if difference > 0 else 0.0
    return LabelBias(float(sides[0].mean()), float(sides[1].mean()), 2 * (1 - NormalDist().cdf(z)))
