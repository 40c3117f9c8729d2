"""Label shift: the shares of the labels in live data, from probabilities, which are corrected by them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from mlspec.monitoring.drift.arrays import Floats

ASSUMPTION: Final = (
    "assumes that only the shares of the labels have changed: rows of one label look as they did in training"
)
STEPS: Final = 1000
"""Most steps of the estimation."""
_CLOSE: Final = 1e-6
_Z: Final = 1.96
"""Standard deviations at each side of a 95 % interval."""


@dataclass(frozen=True)
class LabelShift:
    """Shares of the labels in live data, and the live probabilities corrected by them (row, label)."""

    shares: Floats
    corrected: Floats
    converged: bool
    """If not, the shares depend on where the estimation began."""

    def words(self, labels: tuple[str, ...], before: Floats) -> str:
        """One sentence."""
        parts = (f"{n} {b:.1%} -> {s:.1%}" for n, b, s in zip(labels, before, self.shares, strict=True))
        return f"estimated shares of the labels: {', '.join(parts)}; {ASSUMPTION}"


def label_shift(probabilities: Floats, training: Floats) -> LabelShift:
    """The maximum likelihood shares by expectation maximisation (Saerens, Latinne and Decaestecker, 2002).

    `probabilities` are calibrated, `training` are the shares of the labels that the model was trained on.
    """
    known = np.maximum(training, 1e-12)
    shares, corrected = known / known.sum(), probabilities
    for _ in range(STEPS):
        weighted = probabilities * (shares / known)
        corrected = weighted / np.maximum(weighted.sum(axis=1, keepdims=True), 1e-300)
        before, shares = shares, corrected.mean(axis=0)
        if float(np.abs(shares - before).max()) < _CLOSE:
            return LabelShift(shares, corrected, True)
    return LabelShift(shares, corrected, False)


def share_intervals(probabilities: Floats, training: Floats, shares: Floats) -> Floats:
    """The 95 % intervals of the estimated shares [label, 2]: normal, from the curvature of the likelihood."""
    deviations = np.sqrt(np.maximum(np.diag(_covariance(probabilities, training, shares)), 0.0))
    ends = np.stack([shares - _Z * deviations, shares + _Z * deviations], axis=1)
    result: Floats = np.clip(ends, 0.0, 1.0)
    return result


def _covariance(probabilities: Floats, training: Floats, shares: Floats) -> Floats:
    """Of the estimated shares; 0 of a label that training lacks."""
    known = np.flatnonzero(training > 0)
    ratios = probabilities[:, known] / training[known]
    mixed = np.maximum(ratios @ shares[known], 1e-300)
    scores = (ratios[:, :-1] - ratios[:, -1:]) / mixed[:, None]
    free = np.linalg.pinv(scores.T @ scores)
    spread = np.vstack([np.eye(len(known) - 1), -np.ones(len(known) - 1)])  # the last share is what the others leave
    result: Floats = np.zeros((len(shares), len(shares)))
    result[np.ix_(known, known)] = spread @ free @ spread.T
    return result


def corrected_accuracy(probabilities: Floats, training: Floats, shift: LabelShift) -> tuple[float, float, float]:
    """The expected accuracy of the labels that the model predicts, with the estimated shares, and its 95 % interval.

    The interval has the chance of the true labels, and the uncertainty of the shares by the delta method.
    """
    known = np.maximum(training, 1e-12)
    chosen = np.arange(len(probabilities)), probabilities.argmax(axis=1)
    right = shift.corrected[chosen]
    value = float(right.mean())
    # The derivative of the chance of the predicted label by each share.
    slopes = -right[:, None] * shift.corrected / np.maximum(shift.shares, 1e-12)
    slopes[chosen] += right / np.maximum(shift.shares[chosen[1]], 1e-12)
    gradient = np.where(known > 1e-12, slopes.mean(axis=0), 0.0)
    of_shares = float(gradient @ _covariance(probabilities, training, shift.shares) @ gradient)
    deviation = math.sqrt(float((right * (1 - right)).sum()) / len(right) ** 2 + max(of_shares, 0.0))
    return value, max(0.0, value - _Z * deviation), min(1.0, value + _Z * deviation)
