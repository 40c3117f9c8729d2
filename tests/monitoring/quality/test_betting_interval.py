from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlspec.monitoring.quality.betting_interval import BettingInterval

ORACLES = json.loads((Path(__file__).parents[1] / "oracle_values.json").read_text(encoding="utf-8"))


def test_it_covers_the_mean_at_every_row_in_nearly_all_streams() -> None:
    missed = 0
    for seed in range(40):
        interval, draws = BettingInterval(0.05), np.random.default_rng(seed).beta(2, 8, 600)
        outside = False
        for start in range(0, 600, 20):
            interval.update(draws[start : start + 20])
            outside |= not interval.low <= 0.2 <= interval.high
        missed += outside
    assert missed <= 4


def test_it_becomes_narrow() -> None:
    interval = BettingInterval(0.05)
    interval.update(np.full(2000, 0.3))
    assert interval.high - interval.low < 0.05
    assert interval.low < 0.3 < interval.high


@pytest.mark.parametrize("case", ORACLES["mean_interval"]["cases"], ids=lambda c: f"{c['mean']:.2f}")
def test_it_is_about_as_wide_as_that_of_expectation(case: dict[str, Any]) -> None:
    """Not the same interval: theirs mixes over all bets, tuned to the true variance, and takes the variance of all rows.

    Ours chooses each bet before the row and knows no variance in advance, which costs most where it is small.
    """
    interval, values = BettingInterval(case["level"]), np.array(case["values"])
    for start, (low, high) in zip(range(0, len(values), 50), case["ends"], strict=True):
        interval.update(values[start : start + 50])
        assert max(low, interval.low) <= case["mean"] <= min(high, interval.high)
        assert 0.8 <= (interval.high - interval.low) / (min(high, 1) - max(low, 0)) <= 1.5
