from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import invgauss

from mlspec.monitoring.drift.budget import Budget
from mlspec.monitoring.drift.evidence import FRACTIONS, Bets, accumulate
from mlspec.monitoring.drift.power import (
    inverse_gaussian_median,
    power_words,
    rows_to_detect,
    shift_values,
    shift_within,
    shifts_seen,
)
from mlspec.monitoring.drift.streams import Stream

BUDGET = Budget.of(1, 90, 1000)
THRESHOLD = BUDGET.rows * 20
VALUE = Stream("age", "value", 0.5, 0.015, 0.8)
MISSING = Stream("age", "missing", 0.01, 0.02, 0.08)


def simulated(stream: Stream, values: np.ndarray[tuple[int, ...], np.dtype[np.float64]], rows: int) -> float:
    """The median over 200 streams that are drawn from `values`."""
    drawn = np.random.default_rng(7).choice(values, size=(rows, 200))
    bets = Bets(np.full(200, stream.mean), np.full(200, stream.tolerance))
    sums = np.zeros((200, 2, len(FRACTIONS)))
    evidence = accumulate(sums, bets.factors(drawn), np.ones(drawn.shape)).mean(axis=-1) * stream.weight
    reached = evidence >= THRESHOLD
    return float(np.median(np.where(reached.any(axis=0), reached.argmax(axis=0) + 1, rows)))


@pytest.mark.parametrize(("shift", "rows"), [(0.2, 2500), (0.3, 1200), (0.5, 500), (1.0, 200)])
def test_rows_of_a_shift_are_those_of_a_simulation(shift: float, rows: int) -> None:
    values = shift_values(shift)
    assert rows_to_detect(VALUE, values, THRESHOLD) == pytest.approx(simulated(VALUE, values, rows), rel=0.2)


@pytest.mark.parametrize("share", [0.08, 0.2, 0.6])
def test_rows_of_a_share_are_those_of_a_simulation(share: float) -> None:
    values = (np.arange(1000) < 1000 * share).astype(np.float64)
    assert rows_to_detect(MISSING, values, THRESHOLD) == pytest.approx(simulated(MISSING, values, 1500), rel=0.3)


def test_a_change_within_the_tolerance_is_never_reported() -> None:
    (seen,) = shifts_seen(VALUE, THRESHOLD, (0.04,))
    assert seen.words(BUDGET) == "0.04 sd: never, it is within the tolerance"


@pytest.mark.parametrize("tolerance", [0.015, 0.05, 0.0779, 0.0801, 0.12])
@pytest.mark.parametrize("threshold", [1e4, 3.6e5, 1e8])
def test_a_larger_shift_is_detected_earlier(tolerance: float, threshold: float) -> None:
    """Close to the tolerance, too, where the evidence hardly grows."""
    stream = Stream("age", "value", 0.5, tolerance, 0.8)
    edge = NormalDist().inv_cdf(0.5 + tolerance) * math.sqrt(2)
    shifts = np.concatenate([edge + np.geomspace(1e-6, 0.1, 40), np.arange(edge + 0.1, 2, 0.02)])
    rows = [rows_to_detect(stream, shift_values(shift), threshold) for shift in shifts]
    assert np.all(np.diff([each for each in rows if math.isfinite(each)]) <= 1e-6)
    assert math.isfinite(rows[-1])


def test_less_traffic_detects_less() -> None:
    day, hour = shift_within(VALUE, THRESHOLD, 1000), shift_within(VALUE, THRESHOLD, 40)
    assert 0.1 < day < 0.3 < hour
    assert shift_within(VALUE, THRESHOLD, 2) == float("inf")


def test_in_words() -> None:
    lines = power_words(VALUE, THRESHOLD, BUDGET)
    assert lines[0].startswith(
        "on data that does not change, an alarm is raised at most once in 90,000 rows on average"
    )
    assert any(line.startswith("0.3 sd in about") for line in lines)


@pytest.mark.parametrize(("mean", "shape"), [(1.0, 1.0), (400.0, 9000.0), (5e4, 3.0), (12.0, 1e7), (1e-3, 2e-5)])
def test_the_median_of_an_inverse_gaussian_variable_is_scipys(mean: float, shape: float) -> None:
    expected = invgauss.ppf(0.5, mean / shape, scale=shape)
    assert inverse_gaussian_median(mean, shape) == pytest.approx(expected, rel=1e-6)
