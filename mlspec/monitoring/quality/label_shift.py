"""Label shift: the shares of the labels in live data, from probabilities, which are corrected by them."""

from __future__ import annotations

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
    known = np.flatnonzero(training > 0)
    ratios = probabilities[:, known] / training[known]
    mixed = np.maximum(ratios @ shares[known], 1e-300)
    scores = (ratios[:, :-1] - ratios[:, -1:]) / mixed[:, None]
    covariance = np.linalg.pinv(scores.T @ scores)
    deviations = np.zeros(len(shares))
    deviations[known] = np.sqrt(np.maximum(np.append(np.diag(covariance), covariance.sum()), 0.0))
    ends = np.stack([shares - _Z * deviations, shares + _Z * deviations], axis=1)
    result: Floats = np.clip(ends, 0.0, 1.0)
    return result
