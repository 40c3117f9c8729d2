"""The rate of a range test, from losses of known shape."""

from __future__ import annotations

import math
import random

import pytest

torch = pytest.importorskip("torch")

from mlspec.learning.rate_search import RangeTest, steepest  # noqa: E402

RATES = RangeTest(1e-6, 1.0, 101).rates


def falling(at: float, noise: float = 0.0) -> list[float]:
    """Losses that fall around the rate `at`, and rise after a hundred times that."""
    dice = random.Random(1)
    place = [math.log10(rate / at) for rate in RATES]
    return [1 - 1 / (1 + math.exp(-4 * x)) + 3 * max(0.0, x - 2) + noise * dice.gauss(0, 1) for x in place]


def test_rates_rise_by_the_same_factor() -> None:
    assert (RATES[0], RATES[-1]) == (1e-6, pytest.approx(1.0))
    assert RATES[50] == pytest.approx(1e-3)


@pytest.mark.parametrize("at", [1e-4, 1e-3, 1e-2])
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_the_steepest_fall_is_found(at: float, noise: float) -> None:
    result = steepest(RATES, falling(at, noise))
    assert result is not None
    assert abs(math.log10(result / at)) < 0.4


def test_a_loss_that_only_rises_has_no_rate() -> None:
    assert steepest(RATES, [1 + step / 10 for step in range(101)]) is None


@pytest.mark.parametrize("losses", [[], [0.5] * 9, [math.nan] * 101])
def test_too_few_losses_have_no_rate(losses: list[float]) -> None:
    assert steepest(RATES, losses) is None


def test_what_follows_a_loss_that_is_not_finite_does_not_count() -> None:
    assert steepest(RATES, [*falling(1e-4)[:80], math.nan]) == steepest(RATES, falling(1e-4)[:80])
