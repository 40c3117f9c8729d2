from __future__ import annotations

import math

import numpy as np

from mlspec.monitoring.drift.arrays import Floats
from mlspec.monitoring.quality.compare_versions import PairedComparison, SplitCheck, compare_groups


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


def test_groups_of_their_own_rows() -> None:
    assert compare_groups(losses(3000, 0.2, 0), losses(3000, 0.3, 1)).verdict == "worse"
    assert compare_groups(losses(300, 0.2, 0), losses(300, 0.22, 1)).verdict == "keep going"
    assert compare_groups(losses(1, 0.2, 0), losses(300, 0.22, 1)).verdict == "keep going"


def test_a_split_as_declared_is_not_wrong() -> None:
    wrong = 0
    for seed in range(20):
        check, draws = SplitCheck({"1": 0.9, "2": 0.1}), np.random.default_rng(seed)
        for _ in range(100):
            canary = int(draws.binomial(100, 0.1))
            check.update({"1": 100 - canary, "2": canary})
        wrong += check.wrong
    assert wrong == 0


def test_a_split_with_other_shares_is_wrong() -> None:
    check = SplitCheck({"1": 0.5, "2": 0.5})
    for _ in range(50):
        check.update({"1": 54, "2": 46})
    assert check.wrong
    assert "cannot be compared" in check.words()


def test_a_version_without_a_share_is_wrong_at_once() -> None:
    check = SplitCheck({"1": 1.0, "2": 0.0})
    check.update({"1": 50})
    assert not check.wrong
    check.update({"2": 1})
    assert check.evidence() == math.inf
