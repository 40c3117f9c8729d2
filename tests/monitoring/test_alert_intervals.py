from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mlspec.monitoring.alert_intervals import expected_count, percentile_ranks


@pytest.mark.parametrize("count", [0, 1, 5, 300])
def test_what_is_expected_is_the_exact_interval_of_a_poisson_distribution(count: int) -> None:
    low, high = expected_count(count)
    assert stats.poisson.cdf(count, high) == pytest.approx(0.025)
    assert low == 0 if count == 0 else stats.poisson.sf(count - 1, low) == pytest.approx(0.025)


def test_a_percentile_is_in_its_interval_at_least_as_often_as_it_says() -> None:
    draws, inside = np.random.default_rng(0), 0
    ranks = percentile_ranks(200, 0.95)
    assert ranks is not None
    for _ in range(1000):
        values = np.sort(draws.exponential(size=200))
        inside += values[ranks[0] - 1] <= -np.log(0.05) <= values[ranks[1] - 1]
    assert 0.95 * 1000 <= inside < 0.99 * 1000


def test_too_few_values_have_no_interval() -> None:
    assert percentile_ranks(0, 0.95) is None
    assert percentile_ranks(71, 0.95) is None
    assert percentile_ranks(72, 0.95) is not None
