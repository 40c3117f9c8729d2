"""The interval of a share of labelled predictions, and whether these are like the predictions without a label."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np

from mlspec.monitoring.drift.arrays import Booleans, Floats
from mlspec.render.formatting import number

LEVEL: Final = 0.05
BIAS: Final = 0.001
"""The probability at which labelled rows falsely count as different from the others."""


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
    """Whether labelled rows differ from the others in the model's confidence, or in the number that it predicts."""

    what: str
    labelled: float
    others: float
    p_value: float

    @property
    def biased(self) -> bool:
        """Whether the measured quality is not that of all rows."""
        return self.p_value < BIAS

    def words(self) -> str:
        """One sentence."""
        means = f"mean {self.what} {number(self.labelled)} of labelled rows, {number(self.others)} of the others"
        if self.biased:
            return f"the labelled rows are not like the others ({means}): the measured quality is not that of all rows"
        return f"the labelled rows are like the others ({means})"


def label_bias(values: Floats, labelled: Booleans, what: str) -> LabelBias | None:
    """Welch's test of a number of each row, `what`; None where there is too little to compare."""
    sides = [values[side & ~np.isnan(values)] for side in (labelled, ~labelled)]
    if min(len(side) for side in sides) < 2:
        return None
    error = math.sqrt(sum(float(side.var(ddof=1)) / len(side) for side in sides))
    difference = abs(float(sides[0].mean() - sides[1].mean()))
    z = difference / error if error > 0 else math.inf if difference > 0 else 0.0
    return LabelBias(what, float(sides[0].mean()), float(sides[1].mean()), 2 * (1 - NormalDist().cdf(z)))
