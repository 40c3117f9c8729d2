from __future__ import annotations

import numpy as np

from mlspec.monitoring.quality.betting_interval import BettingInterval


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
