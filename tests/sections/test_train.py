"""The `train` section: a key that is not set has a value that says so, which a spec may have as well."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from mlspec.sections.train import Checkpoint, EarlyStopping, TrainSpec

NEUTRAL = {
    "max_steps": -1,
    "gradient_clip": 0.0,
    "max_time": "off",
    "early_stopping": "off",
    "tune": "off",
}


def read(**values: object) -> TrainSpec:
    return TrainSpec.model_validate_json(json.dumps(values))


@pytest.mark.parametrize("key", NEUTRAL)
def test_the_default_of_a_key_can_be_written(key: str) -> None:
    assert TrainSpec().model_dump(mode="json")[key] == NEUTRAL[key]
    assert read(**{key: NEUTRAL[key]}) == TrainSpec()


@pytest.mark.parametrize("key", NEUTRAL)
def test_null_in_a_configuration_of_an_earlier_version_is_the_default(key: str) -> None:
    assert read(**{key: None}) == TrainSpec()


def test_null_as_a_direction_of_an_earlier_version_is_auto() -> None:
    assert read(checkpoint={"mode": None}).checkpoint == Checkpoint(mode="auto")
    assert read(early_stopping={"mode": None}).early_stopping == EarlyStopping(mode="auto")


@pytest.mark.parametrize(
    ("key", "value"),
    [("max_steps", 0), ("max_steps", -2), ("gradient_clip", -1), ("max_time", "never"), ("tune", "on")],
)
def test_other_values_outside_the_range_are_errors(key: str, value: object) -> None:
    with pytest.raises(ValidationError):
        read(**{key: value})


def test_what_is_off_is_none_in_code() -> None:
    assert (TrainSpec().stop, TrainSpec().search) == (None, None)
    on = read(early_stopping={"patience": 2}, tune={"learning_rate": {}})
    assert on.stop == EarlyStopping(patience=2)
    assert on.search is not None
