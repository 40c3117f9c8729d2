"""The error of a regression without labels: what a second model expects of rows with these inputs and predictions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np

from mlspec.monitoring.baseline.error_model import LEAST_ROWS, ErrorForest, ErrorModel, ErrorRows
from mlspec.monitoring.drift.arrays import Floats
from mlspec.monitoring.quality.estimated_quality import LEVEL, Estimate

ASSUMPTION: Final = (
    "assumes that errors depend on the inputs and the predicted value as on the test split: right if only the mix of "
    "inputs has changed, wrong if the same inputs now have other values (concept drift). Inputs beyond those of the "
    "test split count as the nearest ones there"
)
ABSOLUTE: Final = "mean absolute error"
SQUARED: Final = "root mean squared error"
_STUDENT: Final = 2.262
"""Standard deviations of a 95 % interval that ten members estimate."""
_NOTABLE: Final = 0.05
"""A share of numbers beyond the 1st or 99th percentile that is reported; 0.02 is usual."""


@dataclass(frozen=True)
class ExpectedErrors:
    """What is expected of some rows."""

    absolute: Estimate
    squared: Estimate | None
    beyond: tuple[tuple[str, float], ...] = ()
    """Columns of which more numbers than usual are beyond those of the test split, and their share."""


def expected_errors(model: ErrorModel, rows: ErrorRows) -> ExpectedErrors | None:
    """The errors of at least one row; None if the model expects nothing."""
    if model.absolute is None:
        return None
    features = model.features(rows)
    mean, low, high = _interval(model.absolute, features)
    squared = None
    if model.squared is not None:
        square, least, most = _interval(model.squared, features)
        squared = Estimate(SQUARED, math.sqrt(square), math.sqrt(least), math.sqrt(most), ASSUMPTION)
    shares = ((column.name, column.beyond(rows)) for column in model.columns)
    beyond = tuple((name, share) for name, share in shares if share > _NOTABLE)
    return ExpectedErrors(Estimate(ABSOLUTE, mean, low, high, ASSUMPTION), squared, beyond)


def expected_absolute(model: ErrorModel, rows: ErrorRows) -> Floats:
    """The expected absolute error of each row. The model must expect something."""
    assert model.absolute is not None
    return np.asarray(model.absolute.of(model.features(rows)).mean(axis=0), dtype=np.float64)


def _interval(
    forest: ErrorForest, features: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
) -> tuple[float, float, float]:
    """The mean error of the rows and the ends of its interval: of what the members learned from other samples of the
    test split, and of single errors."""
    by_member = forest.of(features)
    expected = by_member.mean(axis=0)
    learned = _STUDENT * float(by_member.mean(axis=1).std(ddof=1))
    single = math.sqrt(forest.noise * float(np.mean(expected**2)) / len(expected))
    half = math.hypot(learned, single * NormalDist().inv_cdf(1 - LEVEL / 2))
    mean = float(expected.mean())
    return mean, max(0.0, mean - half), mean + half


def no_skill(model: ErrorModel) -> str:
    """Why the model expects nothing, after the name of a version."""
    rows = f"the {model.rows:,} rows of its test split"
    if model.problem == "few rows":
        return f"{rows} are too few to learn how large its errors are ({LEAST_ROWS} are needed)"
    hidden = ", ".join(sorted(model.hidden))
    without = f", without {hidden}, which {'is' if len(model.hidden) == 1 else 'are'} not logged" if hidden else ""
    return (
        f"on {rows} its inputs and predicted values do not show where its errors are larger{without}, so a change of "
        "them says nothing about the error"
    )
