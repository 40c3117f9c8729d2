from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from mlspec.monitoring.drift.drift_alarm import RowGroup
from mlspec.monitoring.quality.live_quality import ScoredRows, label_bias, measurements, wilson

DAY = 86_400.0


def rows(right: list[float], versions: str, slices: tuple[str, ...] = ()) -> ScoredRows:
    """One row an hour."""
    times = 3600.0 * np.arange(len(right), dtype=np.float64)
    return ScoredRows(times, list(versions), np.array(right), np.full(len(right), 0.8), slices)


def test_by_day_version_and_slice_with_the_labelled_share() -> None:
    right = [1.0, 0.0, float("nan"), 1.0] * 12
    result = measurements(rows(right, "1122" * 12, ("a", "b") * 24), DAY, shares=True)
    by_group = {(m.since / DAY, m.group): m for m in result}
    assert len(by_group) == 12
    first = by_group[0.0, RowGroup("1")]
    assert (first.value, first.labelled, first.rows) == (0.5, 12, 12)
    second = by_group[1.0, RowGroup("2")]
    assert second.labelled_share == 0.5
    assert second.words("accuracy") == "accuracy 1.000 (0.610 to 1.000), 6 of 12 rows labelled (50%)"
    assert by_group[1.0, RowGroup("2", "b")].value == 1.0
    assert by_group[1.0, RowGroup("2", "a")].words("accuracy") == "accuracy unknown: 0 of 6 rows labelled (0%)"


def test_absolute_errors_have_an_interval_too() -> None:
    (result,) = measurements(rows([1.0, 2.0, 3.0, 2.0], "1111"), DAY, shares=False)
    assert result.low < 2.0 < result.high
    (alone,) = measurements(rows([1.0], "1"), DAY, shares=False)
    assert alone.high == float("inf")


@pytest.mark.parametrize(("successes", "count"), [(0, 5), (3, 10), (90, 100), (7, 7)])
def test_the_interval_is_that_of_statsmodels(successes: int, count: int) -> None:
    assert wilson(successes, count) == pytest.approx(proportion_confint(successes, count, method="wilson"), abs=1e-12)


def test_labelled_rows_that_are_unlike_the_others() -> None:
    draws = np.random.default_rng(0)
    labelled = np.where(draws.random(2000) < 0.3, 1.0, np.nan)
    scores = draws.uniform(0.5, 1, 2000)
    same = label_bias(ScoredRows(np.zeros(2000), ["1"] * 2000, labelled, scores))
    assert same is not None
    assert not same.biased
    other = label_bias(ScoredRows(np.zeros(2000), ["1"] * 2000, labelled, np.where(labelled == 1, scores, scores / 2)))
    assert other is not None
    assert "not that of all rows" in other.words()
    assert label_bias(ScoredRows(np.zeros(3), ["1"] * 3, np.ones(3), np.ones(3))) is None
