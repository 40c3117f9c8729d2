from __future__ import annotations

import numpy as np
import pytest

from mlspec.monitoring.drift.arrays import Floats
from mlspec.monitoring.quality.label_shift import label_shift


def posteriors(rows: int, share: float, seed: int = 0) -> Floats:
    """Of two normal classes at -1 and 1 that a model learned in equal shares, for rows with another share."""
    draws = np.random.default_rng(seed)
    x = np.where(draws.random(rows) < share, 1.0, -1.0) + draws.normal(size=rows)
    second = 1 / (1 + np.exp(-2 * x))
    return np.stack([1 - second, second], axis=1)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_the_shares_of_the_labels_are_recovered(share: float) -> None:
    result = label_shift(posteriors(8000, share), np.array([0.5, 0.5]))
    assert result.converged
    assert result.shares[1] == pytest.approx(share, abs=0.02)
    assert result.corrected[:, 1].mean() == pytest.approx(share, abs=0.02)
    assert "assumes that only the shares" in result.words(("no", "yes"), np.array([0.5, 0.5]))


def test_a_label_that_training_lacks_stays_absent() -> None:
    probabilities = np.concatenate([posteriors(500, 0.3), np.zeros((500, 1))], axis=1)
    assert label_shift(probabilities, np.array([0.5, 0.5, 0.0])).shares[2] == 0
