"""Quality without labels, from calibrated probabilities: those of 0.8 are expected to be right 8 times in 10."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Final

import numpy as np
from sklearn.isotonic import IsotonicRegression

from mlspec.monitoring.baseline.reference import ScoreBin
from mlspec.monitoring.drift.arrays import Floats, Integers
from mlspec.monitoring.quality.live_quality import wilson
from mlspec.render.formatting import metric_interval, metric_value

LEVEL: Final = 0.05
ASSUMPTION: Final = (
    "assumes that scores are as well calibrated as on the test split: right if only the mix of inputs has changed, "
    "wrong if the same inputs now have other labels (concept drift)"
)
_EXACT: Final = 1000
"""Rows up to which the distribution of the number of right answers is computed exactly."""
_DRAWS: Final = 400
_OWN: Final = tuple((step + 0.5) / 20 for step in range(20))
"""Scores that count as one row each which is as often right as its score says."""


@dataclass(frozen=True)
class Estimate:
    """A metric as it is expected, with the interval in which it lies in 95 of 100 cases."""

    metric: str
    value: float
    low: float
    high: float
    assumption: str = ASSUMPTION
    tested: float | None = None
    """The metric on the test split."""

    def words(self) -> str:
        """One sentence."""
        tested = "" if self.tested is None else f" ({metric_value(self.tested)} on the test split)"
        return f"{self.metric} {metric_interval(self.value, self.low, self.high)}, estimated{tested}; {self.assumption}"


def calibrated(probabilities: Floats, bins: Sequence[ScoreBin]) -> Floats:
    """Probabilities (row, label) whose largest one is as often right as in `bins`; the others share the rest.

    A score that the test split does not reach stands for itself: a split without errors says nothing about low scores.
    """
    filled = [b for b in bins if b.count]
    if not filled:
        return probabilities
    means = [b.score / b.count for b in filled]
    own = [score for score in _OWN if not min(means) <= score <= max(means)]
    rates, weights = [*(b.correct / b.count for b in filled), *own], [*(b.count for b in filled), *(1 for _ in own)]
    curve = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    curve.fit([*means, *own], rates, sample_weight=weights)
    rows, best = np.arange(len(probabilities)), probabilities.argmax(axis=1)
    top = probabilities[rows, best]
    right = np.asarray(curve.predict(top), dtype=np.float64)
    rest = np.where(top < 1, (1 - right) / np.maximum(1 - top, 1e-12), 0.0)
    result: Floats = probabilities * rest[:, None]
    result[rows, best] = right
    return result


def estimated_accuracy(right: Floats) -> Estimate:
    """The accuracy of predictions that are right with these probabilities."""
    low, high = poisson_binomial_interval(right)
    return Estimate("accuracy", float(right.mean()), low / len(right), high / len(right))


def widened(estimate: Estimate, right: int, total: int) -> Estimate:
    """The estimate with the uncertainty of the test split, of which `right` of `total` rows were right, added."""
    if not total:
        return replace(estimate, low=0.0, high=1.0)
    low, high = wilson(right, total)
    below = math.hypot(estimate.value - estimate.low, right / total - low)
    above = math.hypot(estimate.high - estimate.value, high - right / total)
    return replace(estimate, low=max(0.0, estimate.value - below), high=min(1.0, estimate.value + above))


def poisson_binomial_interval(chances: Floats, level: float = LEVEL) -> tuple[int, int]:
    """The interval of the number of successes of independent trials with these chances."""
    rows = len(chances)
    if rows > _EXACT:
        spread = NormalDist().inv_cdf(1 - level / 2) * float(np.sqrt(np.sum(chances * (1 - chances))))
        middle = float(chances.sum())
        return max(0, round(middle - spread)), min(rows, round(middle + spread))
    distribution = np.ones(1)
    for chance in chances.tolist():
        distribution = np.convolve(distribution, (1 - chance, chance))
    cumulative = np.cumsum(distribution)
    low, high = (int(np.searchsorted(cumulative, p)) for p in (level / 2, 1 - level / 2))
    return low, min(high, rows)


def estimated_metrics(probabilities: Floats, predicted: Integers, label: int, name: str) -> list[Estimate]:
    """Precision, recall, F1 and AUROC of one label, from calibrated probabilities (row, label)."""
    chances, chosen = probabilities[:, label], predicted == label
    draws = np.random.default_rng(0).random((_DRAWS, len(chances))) < chances
    expected = _counts(chances[None], chosen)
    drawn = _counts(draws.astype(np.float64), chosen)
    result = []
    for metric, value, samples in zip(("precision", "recall", "f1"), expected, drawn, strict=True):
        if np.isfinite(value[0]) and np.isfinite(samples).any():
            low, high = np.nanquantile(samples, [LEVEL / 2, 1 - LEVEL / 2])
            result.append(Estimate(f"{metric}[{name}]", float(value[0]), float(low), float(high)))
    area = float(weighted_auroc(chances, chances))
    areas = np.array([weighted_auroc(chances, d.astype(np.float64)) for d in draws])
    if np.isfinite(area) and np.isfinite(areas).any():
        low, high = np.nanquantile(areas, [LEVEL / 2, 1 - LEVEL / 2])
        result.append(Estimate(f"auroc[{name}]", area, float(low), float(high)))
    return result


def _counts(truth: Floats, chosen: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> tuple[Floats, Floats, Floats]:
    """Precision, recall and F1 by draw of the labels; NaN where there is none."""
    right, actual, chosen_rows = truth[:, chosen].sum(axis=1), truth.sum(axis=1), float(chosen.sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        precision: Floats = right / chosen_rows
        return precision, right / actual, 2 * right / (actual + chosen_rows)


def weighted_auroc(scores: Floats, chances: Floats) -> float:
    """The probability that a positive has a higher score than a negative, of rows that are positive with `chances`."""
    order = np.argsort(scores, kind="stable")
    values, positive = scores[order], chances[order]
    groups = np.cumsum(np.concatenate([[0], (np.diff(values) > 0).astype(np.int64)]))
    ups, downs = np.bincount(groups, positive), np.bincount(groups, 1 - positive)
    below = np.cumsum(downs) - downs / 2
    pairs = ups.sum() * downs.sum()
    return float((ups * below).sum() / pairs) if pairs > 0 else float("nan")
