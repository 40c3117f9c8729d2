from __future__ import annotations

import re

import numpy as np

from mlspec.monitoring.drift.arrays import Floats
from mlspec.monitoring.quality.compare_versions import PairedComparison


def losses(rows: int, rate: float, seed: int) -> Floats:
    return (np.random.default_rng(seed).random(rows) < rate).astype(np.float64)


def test_a_better_challenger_wins_on_the_same_rows() -> None:
    comparison = PairedComparison()
    comparison.update(losses(3000, 0.3, 0), losses(3000, 0.2, 1))
    result = comparison.result()
    assert result.verdict == "better"
    assert result.low < -0.1 < result.high < 0
    assert "the challenger is better" in result.words()


def test_equal_models_are_not_decided_however_often_they_are_compared() -> None:
    wrong = 0
    for seed in range(20):
        comparison = PairedComparison()
        verdicts = set()
        for look in range(20):
            comparison.update(losses(50, 0.3, 2 * (100 * seed + look)), losses(50, 0.3, 2 * (100 * seed + look) + 1))
            verdicts.add(comparison.result().verdict)
        wrong += verdicts != {"keep going"}
    assert wrong <= 2


def test_a_margin_requires_more() -> None:
    comparison = PairedComparison(margin=0.2)
    comparison.update(losses(3000, 0.3, 0), losses(3000, 0.2, 1))
    assert comparison.result().verdict == "keep going"


def test_the_difference_of_errors_is_in_the_unit_of_the_target() -> None:
    comparison = PairedComparison(scale=200_000.0)
    comparison.update(losses(3000, 0.3, 0), losses(3000, 0.2, 1))
    assert re.match(
        r"the challenger is better: mean absolute error −1\d,\d{3} \(−2\d,\d{3} to −\d", comparison.result().words()
    )
