from __future__ import annotations

import numpy as np
import pytest

from mlspec.monitoring.baseline.reference import ScoreBin
from mlspec.monitoring.quality.estimated_quality import (
    Estimate,
    calibrated,
    estimated_accuracy,
    estimated_metrics,
    poisson_binomial_interval,
    weighted_auroc,
    widened,
)
from tests.monitoring.quality.test_label_shift import posteriors


def test_of_calibrated_scores_the_estimate_is_the_measured_quality() -> None:
    probabilities = posteriors(4000, 0.5)
    truth = np.random.default_rng(1).random(4000) < probabilities[:, 1]
    predicted = probabilities.argmax(axis=1)
    accuracy = estimated_accuracy(probabilities.max(axis=1))
    assert accuracy.low <= np.mean(predicted == truth) <= accuracy.high
    assert accuracy.high - accuracy.low < 0.05
    by_name = {e.metric: e for e in estimated_metrics(probabilities, predicted, 1, "yes")}
    right = np.sum(truth & (predicted == 1))
    measured = {"precision[yes]": right / np.sum(predicted == 1), "recall[yes]": right / np.sum(truth)}
    measured["f1[yes]"] = 2 * right / (np.sum(truth) + np.sum(predicted == 1))
    measured["auroc[yes]"] = weighted_auroc(probabilities[:, 1], truth.astype(np.float64))
    assert set(by_name) == set(measured)
    for name, value in measured.items():
        assert by_name[name].low - 0.01 <= value <= by_name[name].high + 0.01, name
    assert "concept drift" in accuracy.words()


def test_overconfident_scores_are_calibrated_first() -> None:
    bins = tuple(ScoreBin(score=(0.55 + 0.1 * i) * 100, correct=50 + 8 * i, count=100) for i in range(5))
    probabilities = np.array([[0.95, 0.05], [0.3, 0.7]])
    corrected = calibrated(probabilities, bins)
    assert corrected.max(axis=1).tolist() == pytest.approx([0.82, 0.62], abs=0.03)
    assert corrected.sum(axis=1).tolist() == pytest.approx([1, 1])
    assert calibrated(probabilities, ()) is probabilities


def test_a_test_split_without_errors_says_nothing_about_low_scores() -> None:
    bins = (ScoreBin(score=69.3, correct=70, count=70),)
    corrected = calibrated(np.array([[0.55, 0.45], [0.99, 0.01]]), bins)
    assert corrected[0, 0] < 0.7
    assert corrected[1, 0] > 0.97


def test_the_exact_and_the_normal_interval_agree() -> None:
    chances = np.random.default_rng(0).random(1000)
    low, high = poisson_binomial_interval(chances)
    wide = poisson_binomial_interval(np.append(chances, 0.0))
    assert abs(low - wide[0]) <= 2
    assert abs(high - wide[1]) <= 2
    assert poisson_binomial_interval(np.ones(10)) == (10, 10)


def test_a_label_that_is_never_predicted_has_no_precision() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2]])
    metrics = estimated_metrics(probabilities, np.array([0, 0]), 1, "yes")
    assert "precision[yes]" not in [m.metric for m in metrics]


def test_a_small_test_split_widens_the_interval() -> None:
    """70 of 70 right says no more than 94.8 % with 95 % confidence."""
    perfect = widened(Estimate("accuracy", 1.0, 1.0, 1.0), 70, 70)
    assert (round(perfect.low, 3), perfect.high) == (0.948, 1.0)
    known = widened(Estimate("accuracy", 0.8, 0.78, 0.82), 80_000, 100_000)
    assert (round(known.low, 3), round(known.high, 3)) == (0.78, 0.82)
