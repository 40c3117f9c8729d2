from __future__ import annotations

import json
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest

from mlspec.monitoring.drift.arrays import Floats
from mlspec.monitoring.quality.label_shift import corrected_accuracy, label_shift, share_intervals


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


UNEVEN = np.array([0.8, 0.2])
LIMIT = np.log(4) / 2
"""Above it the second label is predicted, which was a fifth of the training data."""


def uneven(rows: int, share: float, seed: int = 0) -> tuple[Floats, float]:
    """As `posteriors`, of a model that learned from uneven shares, and the share of rows where it is right."""
    odds = posteriors(rows, share, seed)
    weighted = odds * UNEVEN
    probabilities: Floats = weighted / weighted.sum(axis=1, keepdims=True)
    draws = np.random.default_rng(seed)
    actual = draws.random(rows) < share
    return probabilities, float((probabilities.argmax(axis=1) == actual).mean())


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_the_expected_accuracy_is_that_of_the_normal_distribution(share: float) -> None:
    """Of the labels that the model predicts: it does not know the new shares."""
    probabilities, _ = uneven(20_000, share)
    shift = label_shift(probabilities, UNEVEN)
    below = NormalDist().cdf
    exact = (1 - share) * below(LIMIT + 1) + share * (1 - below(LIMIT - 1))
    value, low, high = corrected_accuracy(probabilities, UNEVEN, shift)
    assert value == pytest.approx(exact, abs=0.015)
    assert low < exact < high
    if share > 0.5:
        assert abs(float(probabilities.max(axis=1).mean()) - exact) > 0.05  # without the correction


def test_the_interval_of_the_corrected_accuracy_has_the_true_one_about_as_often_as_it_says() -> None:
    inside = 0
    for seed in range(200):
        probabilities, right = uneven(400, 0.6, seed)
        _, low, high = corrected_accuracy(probabilities, UNEVEN, label_shift(probabilities, UNEVEN))
        inside += low <= right <= high
    assert inside >= 0.9 * 200


def test_a_label_that_training_lacks_stays_absent() -> None:
    probabilities = np.concatenate([posteriors(500, 0.3), np.zeros((500, 1))], axis=1)
    assert label_shift(probabilities, np.array([0.5, 0.5, 0.0])).shares[2] == 0


def test_the_intervals_have_the_true_share_about_as_often_as_they_say() -> None:
    training, share, inside = np.array([0.5, 0.5]), 0.3, 0
    for seed in range(200):
        probabilities = posteriors(400, share, seed)
        (_, (low, high)) = share_intervals(probabilities, training, label_shift(probabilities, training).shares)
        inside += low <= share <= high
    assert 0.9 * 200 <= inside <= 0.99 * 200


def test_the_interval_of_a_label_that_training_lacks_is_empty() -> None:
    probabilities = np.concatenate([posteriors(500, 0.3), np.zeros((500, 1))], axis=1)
    training = np.array([0.5, 0.5, 0.0])
    shares = label_shift(probabilities, training).shares
    ends = share_intervals(probabilities, training, shares)
    assert ends[2].tolist() == [0, 0]
    assert ends[1, 0] < shares[1] < ends[1, 1]


def test_the_shares_and_the_accuracy_are_those_of_quapy() -> None:
    oracles = json.loads((Path(__file__).parents[1] / "oracle_values.json").read_text(encoding="utf-8"))
    for case in oracles["label_shift"]["cases"]:
        result = label_shift(np.array(case["probabilities"]), np.array(case["training"]))
        assert result.shares.tolist() == pytest.approx(case["shares"], abs=1e-4)
        value, low, high = corrected_accuracy(np.array(case["probabilities"]), np.array(case["training"]), result)
        assert value == pytest.approx(case["accuracy"], abs=1e-4)
        assert low < case["accuracy"] < high
