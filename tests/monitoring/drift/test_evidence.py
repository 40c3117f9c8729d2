from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mlspec.monitoring.drift.evidence import FRACTIONS, WEIGHTS, Bets, accumulate, changed_columns

ORACLES = json.loads((Path(__file__).parents[1] / "oracle_values.json").read_text(encoding="utf-8"))


def test_the_columns_are_those_of_online_fdr() -> None:
    cases = ORACLES["e_bh"]["cases"]
    for case in cases:
        evidence = np.array(case["evidence"])
        assert changed_columns(evidence, len(evidence) / case["alpha"]).tolist() == case["chosen"]
    assert any(any(case["chosen"]) for case in cases)


def test_a_bet_is_the_betting_process_of_online_fdr() -> None:
    case = ORACLES["betting"]["cases"]
    bets = Bets(np.array([case["mean"]]), np.array([case["tolerance"]]))
    factors = bets.factors(np.array(case["values"])[:, None])[:, 0, 0]
    bet = FRACTIONS.tolist().index(case["fraction"])
    assert np.cumprod(factors[:, bet]).tolist() == pytest.approx(case["path"], rel=1e-9)


def test_the_evidence_is_the_sum_of_the_e_processes_of_expectation() -> None:
    case = ORACLES["e_detector"]["cases"]
    values = np.array(case["values"])[:, None]
    factors = Bets(np.array([case["mean"]]), np.array([case["tolerance"]])).factors(values)
    mixtures = accumulate(np.zeros((1, 2, len(FRACTIONS))), factors, np.ones(values.shape))[:, 0]
    np.testing.assert_allclose(mixtures.T, [case["rise"], case["fall"]], rtol=1e-9)
    assert mixtures[case["change"] - 1].max() < len(values) < mixtures[-1, 0]


def test_the_sum_is_the_sum_over_all_starts() -> None:
    values = np.random.default_rng(0).random((30, 1))
    factors = Bets(np.array([0.4]), np.array([0.01])).factors(values)
    sums = np.zeros((1, 2, len(FRACTIONS)))
    mixtures = accumulate(sums, factors, np.ones((30, 1)))
    starts = sum(np.prod(factors[start:, 0], axis=0) for start in range(30))
    assert mixtures[-1, 0].tolist() == pytest.approx((starts @ WEIGHTS).tolist())


@pytest.mark.parametrize("mean", [0.0, 0.01, 0.3, 0.5, 0.99, 1.0])
def test_no_bet_gains_on_a_mean_within_the_tolerance_nor_loses_all(mean: float) -> None:
    bets = Bets(np.array([mean]), np.array([0.02]))
    ends = bets.factors(np.array([[0.0], [1.0]]))[:, 0]
    assert (ends > 0).all()
    for actual in (max(mean - 0.02, 0), mean, min(mean + 0.02, 1)):
        assert ((1 - actual) * ends[0] + actual * ends[1] <= 1 + 1e-12).all()


def test_the_mean_time_to_a_false_alarm_is_at_least_the_budget() -> None:
    """At the edge of the tolerance, where the guarantee is tightest."""
    budget, streams = 200.0, 300
    draws = np.random.default_rng(0).random((3000, streams)) < 0.52
    bets = Bets(np.full(streams, 0.5), np.full(streams, 0.02))
    sums = np.zeros((streams, 2, len(FRACTIONS)))
    evidence = accumulate(sums, bets.factors(draws.astype(np.float64)), np.ones(draws.shape)).mean(axis=-1)
    reached = evidence >= budget
    assert np.where(reached.any(axis=0), reached.argmax(axis=0) + 1, 3000).mean() >= budget
