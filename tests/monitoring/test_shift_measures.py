"""The measures against the formulas of their papers and scipy on the raw values, and their noise against simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from mlspec.monitoring.baseline.quantile_grid import QuantileGrid, bins
from mlspec.monitoring.shift_measures import (
    chi_square,
    chi_square_tail,
    coarse,
    kolmogorov_smirnov,
    kolmogorov_tail,
    psi,
)


def counts(grid: QuantileGrid, values: np.ndarray) -> np.ndarray:
    return np.bincount(bins(values, grid.edges), minlength=len(grid.counts)).astype(float)


def draws(
    mean: float, n: int = 1000, m: int = 2000, repeats: int = 200
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    result = []
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        known, live = rng.normal(size=m), rng.normal(mean, 1, n)
        grid = QuantileGrid.of(known)
        result.append((counts(grid, live), np.asarray(grid.counts, dtype=float), live, known))
    return result


def test_without_a_shift_the_measures_are_their_noise() -> None:
    samples = draws(0.0)
    stability = [psi(*coarse(live, known)) for live, known, *_ in samples]
    mean, noise = np.mean([m.value for m in stability if m]), np.mean([m.noise for m in stability if m])
    assert abs(mean / noise - 1) < 0.15
    distances = [kolmogorov_smirnov(live, known) for live, known, *_ in samples]
    assert 0.75 < np.mean([m.value / m.noise for m in distances if m]) < 1.05
    squares = [chi_square(*coarse(live, known)) for live, known, *_ in samples]
    assert abs(np.mean([m.value**2 / m.noise**2 for m in squares if m]) - 1) < 0.15
    assert 0.02 < np.mean([m.p < 0.05 for m in squares if m and m.p is not None]) < 0.09


def test_a_shift_is_above_the_noise_and_as_scipy_has_it() -> None:
    live, known, values, reference = draws(0.3, repeats=1)[0]
    distance, exact = kolmogorov_smirnov(live, known), stats.ks_2samp(values, reference)
    assert distance is not None
    assert distance.p is not None
    assert 0 <= exact.statistic - distance.value < 0.02
    assert distance.p < 1e-6
    joined = coarse(live, known)
    square, oracle = chi_square(*joined), stats.chi2_contingency(np.stack(joined), correction=False)
    assert square is not None
    np.testing.assert_allclose([square.value**2 * 3000, square.p], [oracle.statistic, oracle.pvalue], rtol=1e-9)
    stability = psi(*joined)
    assert stability is not None
    assert stability.net > 0.05


def test_the_tails_are_those_of_scipy() -> None:
    for value in (0.0, 0.03, 0.05, 0.2, 0.5, 0.799, 0.8, 1.0, 1.36, 3.0, 20.0):
        np.testing.assert_allclose(kolmogorov_tail(value), special.kolmogorov(value), rtol=1e-9, atol=1e-300)
    for freedom in (1, 2, 3, 15, 16, 999, 1000):
        for share in (0.0, 0.01, 0.5, 0.9, 1.0, 1.1, 2.0, 20.0):
            expected = special.chdtrc(freedom, share * freedom)
            np.testing.assert_allclose(chi_square_tail(freedom, share * freedom), expected, rtol=1e-9, atol=1e-300)


FREQUENT = {
    "zeros": lambda draw, rows: np.where(draw.random(rows) < 0.6, 0.0, draw.exponential(1, rows)),
    "limit": lambda draw, rows: np.minimum(draw.normal(size=rows), 0.3),
    "counts": lambda draw, rows: draw.poisson(3, rows).astype(float),
    "rare": lambda draw, rows: (draw.random(rows) < 0.03).astype(float),
}


@pytest.mark.parametrize("name", FREQUENT)
def test_without_a_shift_of_frequent_values_the_measures_are_their_noise(name: str) -> None:
    stability, distances = [], []
    for seed in range(200):
        draw = np.random.default_rng(seed)
        grid, values = QuantileGrid.of(FREQUENT[name](draw, 2000)), FREQUENT[name](draw, 500)
        live, known = counts(grid, values), np.asarray(grid.counts, dtype=float)
        stability.append(psi(*coarse(live, known)))
        distances.append(kolmogorov_smirnov(live, known))
    assert np.mean([m.value for m in stability if m]) == pytest.approx(
        np.mean([m.noise for m in stability if m]), rel=0.2
    )
    assert np.mean([m.p < 0.05 for m in distances if m and m.p is not None]) < 0.08


@pytest.mark.parametrize("value", [4.0, 4.999, 5.001, 6.0])
def test_what_replaces_a_constant_is_a_shift(value: float) -> None:
    grid = QuantileGrid.of(np.full(1000, 5.0))
    live, known = counts(grid, np.full(200, value)), np.asarray(grid.counts, dtype=float)
    measures = [psi(*coarse(live, known)), kolmogorov_smirnov(live, known), chi_square(*coarse(live, known))]
    assert [m.net > 0.5 for m in measures if m] == [True] * 3


def test_a_bin_with_nearly_all_of_the_reference_is_not_joined() -> None:
    """Scores of a sure model: 97 % of them in the last bin."""
    known = np.array([10.0, 20, 970])
    joined = coarse(np.array([100.0, 200, 700]), known)
    assert joined[1].tolist() == [30, 970]
    shift = psi(*joined)
    assert shift is not None
    assert shift.net > 0.5


def test_psi_by_its_formula() -> None:
    measure = psi(np.array([500.0, 500.0]), np.array([700.0, 300.0]))
    assert measure is not None
    assert abs(measure.value - (0.2 * np.log(5 / 3) - 0.2 * np.log(5 / 7))) < 1e-3
    assert measure.noise == 1 / 1000 + 1 / 1000


def test_without_rows_or_with_one_bin_there_is_nothing_to_measure() -> None:
    empty, some = np.zeros(3), np.array([5.0, 0.0, 0.0])
    assert (psi(empty, some), kolmogorov_smirnov(some, empty), chi_square(some, some)) == (None, None, None)
    constant = psi(some, some)
    assert constant is not None
    assert (constant.value, constant.net) == (0, 0)


def test_bins_are_joined_until_they_have_their_share() -> None:
    live, known = coarse(np.ones(64), np.full(64, 10.0))
    assert (len(known), known.sum(), live.sum()) == (16, 640, 64)
    assert len(coarse(np.ones(2), np.array([100.0, 1.0]))[0]) == 2
