"""The error that is expected without labels, against the errors that are drawn."""

from __future__ import annotations

import numpy as np
import pytest

from mlspec.monitoring.baseline.error_model import ErrorModel
from mlspec.monitoring.quality.expected_error import expected_absolute, expected_errors, no_skill
from mlspec.monitoring.quality.fit_error_model import fit_error_model
from tests.monitoring.quality.test_fit_error_model import rows

SEEDS = range(6)


@pytest.fixture(scope="module")
def models() -> list[ErrorModel]:
    return [fit_error_model(*rows(500, seed, rising=True)) for seed in SEEDS]


def test_the_interval_has_the_error_of_the_rows_with_and_without_a_shift(models: list[ErrorModel]) -> None:
    """At least 86 % of the intervals, nominal are 95 %: those of one model are not independent."""
    held = []
    for seed, model in zip(SEEDS, models, strict=True):
        for number, shift in enumerate((0.0, 0.5, 1.0, 0.0, 0.5, 1.0)):
            live, errors = rows(800, 1000 + 10 * seed + number, rising=True, shift=shift)
            result = expected_errors(model, live)
            assert result is not None
            held.append(result.absolute.low <= np.abs(errors).mean() <= result.absolute.high)
            if result.squared is not None:
                held.append(result.squared.low <= np.sqrt(np.mean(errors**2)) <= result.squared.high)
    assert len(held) > 60
    assert np.mean(held) >= 0.86


def test_it_rises_with_a_shift_and_is_that_of_the_test_split_without(models: list[ErrorModel]) -> None:
    still, moved, before = [], [], []
    for seed, model in zip(SEEDS, models, strict=True):
        before.append(np.abs(rows(500, seed, rising=True)[1]).mean())
        for shift, values in ((0.0, still), (1.0, moved)):
            result = expected_errors(model, rows(800, 77 + seed, rising=True, shift=shift)[0])
            assert result is not None
            values.append(result.absolute.value)
            assert result.absolute.low < result.absolute.value < result.absolute.high
            assert ("input.x" in dict(result.beyond)) == (shift == 1)
    actual = np.mean([np.abs(rows(800, seed, rising=True, shift=1.0)[1]).mean() for seed in SEEDS])
    assert np.mean(still) == pytest.approx(np.mean(before), rel=0.07)
    assert np.mean(moved) == pytest.approx(actual, rel=0.07)
    assert actual > 1.4 * np.mean(before)


def test_more_rows_narrow_the_interval(models: list[ErrorModel]) -> None:
    results = [expected_errors(models[0], rows(count, 5, rising=True)[0]) for count in (20, 2000)]
    widths = [each.absolute.high - each.absolute.low for each in results if each is not None]
    assert widths[1] < widths[0] / 2
    live = rows(3000, 5, rising=True)[0]  # more than are computed at once
    whole = expected_errors(models[0], live)
    assert whole is not None
    assert whole.absolute.value == pytest.approx(expected_absolute(models[0], live).mean())


def test_without_skill_nothing_is_expected_and_the_reason_has_words() -> None:
    hidden = ErrorModel(problem="no skill", rows=1200, hidden={"age": "redacted", "town": "hashed"})
    assert expected_errors(hidden, rows(5, 0, rising=True)[0]) is None
    assert "the 1,200 rows of its test split" in no_skill(hidden)
    assert "without age, town, which are not logged" in no_skill(hidden)
    assert "100 are needed" in no_skill(ErrorModel(problem="few rows", rows=40))
