"""A second model of the size of errors: as scikit-learn has it, with skill only where inputs show where errors are."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor

from mlspec.monitoring.baseline.error_model import LEAST_ROWS, ErrorModel, ErrorRows
from mlspec.monitoring.drift.arrays import Floats
from mlspec.monitoring.quality.fit_error_model import boosted_trees, fit_error_model


def rows(count: int, seed: int, *, rising: bool, shift: float = 0.0) -> tuple[ErrorRows, Floats]:
    """Numbers, of which `x` makes errors three times as large from 0.6 on if `rising`; and the errors."""
    draws = np.random.default_rng(seed)
    x, z = draws.normal(shift, 1, count), draws.normal(size=count)
    size = np.where(x > 0.6, 3.0, 1.0) if rising else np.ones(count)
    town = np.array(draws.choice(["Bonn", "Ulm"], count), dtype=object)
    return ErrorRows({"value": x + z, "input.x": x, "input.z": z}, {"input.town": town}), draws.normal(
        size=count
    ) * size


def test_the_trees_are_those_of_scikit_learn() -> None:
    draws = np.random.default_rng(0)
    features, errors = draws.normal(size=(400, 3)).astype(np.float32), draws.exponential(size=400)
    model = GradientBoostingRegressor(n_estimators=12, learning_rate=0.3, max_depth=3, random_state=0)
    trees = boosted_trees(model.fit(features, errors))
    np.testing.assert_allclose(trees.of(features), model.predict(features), rtol=1e-12)


def test_errors_that_depend_on_an_input_are_learned() -> None:
    model = fit_error_model(*rows(400, 0, rising=True))
    assert model.absolute is not None
    assert model.squared is not None
    assert {column.name for column in model.columns} == {"value", "input.x", "input.z", "input.town"}
    low = ErrorRows({name: np.full(1, -1.0) for name in ("value", "input.x", "input.z")}, {"input.town": BONN})
    high = ErrorRows({name: np.full(1, 1.5) for name in ("value", "input.x", "input.z")}, {"input.town": BONN})
    small, large = (float(model.absolute.of(model.features(each)).mean()) for each in (low, high))
    assert large > 2 * small


BONN = np.array(["Bonn"], dtype=object)


def test_errors_that_depend_on_nothing_are_not_learned() -> None:
    """But for one model in twenty or less."""
    problems = [fit_error_model(*rows(200, seed, rising=False)).problem for seed in range(5)]
    assert problems.count("no skill") >= 4


def test_too_few_rows_equal_errors_and_constant_inputs_are_not_learned() -> None:
    known, errors = rows(LEAST_ROWS, 0, rising=True)
    fewer = ErrorRows({name: values[1:] for name, values in known.numbers.items()})
    assert fit_error_model(fewer, errors[1:]).problem == "few rows"
    assert fit_error_model(known, np.ones(LEAST_ROWS)).problem == "no skill"
    constant = ErrorRows({"value": np.zeros(LEAST_ROWS)}, {"input.town": np.full(LEAST_ROWS, "Ulm", dtype=object)})
    assert fit_error_model(constant, errors).problem == "no skill"


def test_missing_values_and_a_category_can_show_where_errors_are() -> None:
    draws = np.random.default_rng(1)
    town = np.array(draws.choice(["Bonn", "Ulm", None], 400), dtype=object)
    x = np.where(draws.random(400) < 0.3, np.nan, draws.normal(size=400))
    errors = draws.normal(size=400) * np.where(np.isnan(x), 4.0, 1.0) * np.where(town == "Ulm", 3.0, 1.0)
    model = fit_error_model(ErrorRows({"input.x": x}, {"input.town": town}), errors)
    assert model.absolute is not None

    def expected(number: float, name: str | None) -> float:
        row = ErrorRows({"input.x": np.array([number])}, {"input.town": np.array([name], dtype=object)})
        assert model.absolute is not None
        return float(model.absolute.of(model.features(row)).mean())

    assert expected(np.nan, "Bonn") > 2 * expected(0.0, "Bonn")
    assert expected(0.0, "Ulm") > 1.5 * expected(0.0, None)
    assert expected(0.0, "a town that is new") == pytest.approx(expected(0.0, None), rel=0.5)


def test_it_is_plain_json() -> None:
    model = fit_error_model(*rows(300, 0, rising=True), {"age": "hashed"})
    text = model.model_dump_json()
    assert (ErrorModel.parse_json(text) == model) is True  # a difference would be thousands of numbers
    assert len(text) < 400_000
