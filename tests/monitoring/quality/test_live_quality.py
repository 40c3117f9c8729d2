from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from mlspec.monitoring.quality.live_quality import label_bias, wilson


@pytest.mark.parametrize(("successes", "count"), [(0, 5), (3, 10), (90, 100), (7, 7)])
def test_the_interval_is_that_of_statsmodels(successes: int, count: int) -> None:
    assert wilson(successes, count) == pytest.approx(proportion_confint(successes, count, method="wilson"), abs=1e-12)


def test_labelled_rows_that_are_unlike_the_others() -> None:
    draws = np.random.default_rng(0)
    labelled = draws.random(2000) < 0.3
    scores = draws.uniform(0.5, 1, 2000)
    same = label_bias(scores, labelled, "confidence")
    assert same is not None
    assert not same.biased
    other = label_bias(np.where(labelled, scores, scores / 2), labelled, "confidence")
    assert other is not None
    assert "not that of all rows" in other.words()
    prices = label_bias(300_000 * scores, labelled, "predicted value")
    assert prices is not None
    assert prices.words().startswith("the labelled rows are like the others (mean predicted value 22")
    assert label_bias(np.ones(3), np.ones(3, dtype=np.bool_), "confidence") is None
