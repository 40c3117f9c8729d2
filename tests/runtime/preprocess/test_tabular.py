"""Rows that are read by column give the bits, and the errors, of single rows."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlspec.runtime.preprocess.bundle_errors import BadRow
from mlspec.runtime.preprocess.tabular import TabularPreprocess

SCALES = {"a": {"mean": 3.25, "std": 1.7}, "b": {"mean": 0.0, "std": 1e-9}}
WORDS = {"c": ["no", "yes"], "d": ["2020-01-01 12:00:00", "7"]}


def preprocess(raw: bool = False, **changes: Any) -> TabularPreprocess:
    """Two numbers and two categories."""
    return TabularPreprocess(
        {"kind": "tabular", "numbers": SCALES, "categories": WORDS, "raw": raw, **changes},  # type: ignore[typeddict-item]
        Path(),
    )


NUMBERS = st.none() | st.floats(allow_infinity=False, width=32) | st.integers(-(10**12), 10**12)
TEXTS = st.none() | st.sampled_from(["no", "yes", "maybe", "7", "2020-01-01T12:00", "2020-01-01 12:00:00"])
ROWS = st.lists(st.fixed_dictionaries({"a": NUMBERS, "b": NUMBERS, "c": TEXTS, "d": TEXTS}), min_size=8, max_size=20)


@pytest.mark.parametrize("raw", [False, True])
@given(rows=ROWS)
def test_many_rows_have_the_bits_of_single_rows(raw: bool, rows: list[dict[str, Any]]) -> None:
    subject = preprocess(raw)
    for feature, row in zip(subject.features(rows), rows, strict=True):
        (single,) = subject.features([row])
        assert list(feature) == list(single)
        for name, array in single.items():
            assert (feature[name].dtype, feature[name].shape) == (array.dtype, array.shape)
            assert feature[name].tobytes() == array.tobytes()


@pytest.mark.parametrize(
    ("name", "odd"),
    [
        ("a", np.float64(2.5)),
        ("a", np.int64(2)),
        ("a", 2**70),
        ("a", 1e308),
        ("b", -0.0),
        ("d", 7),
        ("d", 7.0),
        ("d", "2020-01-01T13:00+01:00"),
        ("c", ""),
    ],
)
def test_unusual_values_among_others(name: str, odd: object) -> None:
    subject = preprocess()
    rows = [{"a": 1.0, "b": 2, "c": "yes", "d": None} for _ in range(12)]
    rows[5][name] = odd  # type: ignore[assignment]
    many = subject.features(rows)
    for feature, row in zip(many, rows, strict=True):
        (single,) = subject.features([row])
        assert all(feature[n].tobytes() == array.tobytes() for n, array in single.items())


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("a", "3", "must be a number, not text; remove the quotes"),
        ("a", True, "must be a number, not a boolean"),
        ("b", math.inf, "must be finite"),
        ("b", 10**400, "is too large for float64"),
        ("c", ["yes"], "must be text, not a list"),
        ("d", 1.5, "must be text, not a number"),
    ],
)
def test_the_first_wrong_row_is_named(name: str, wrong: object, message: str) -> None:
    rows: list[dict[str, object]] = [{"a": 1.0, "b": 2, "c": "yes", "d": None} for _ in range(12)]
    rows[7][name] = wrong
    rows[9] = {}
    with pytest.raises(BadRow) as error:
        preprocess().features(rows)
    assert (error.value.index, error.value.input, error.value.message) == (7, name, message)


def test_a_missing_input_and_a_number_beyond_float32_are_named() -> None:
    rows: list[Any] = [{"a": 1.0, "b": 2, "c": "yes", "d": None} for _ in range(12)]
    rows[3] = {"a": 1e39, "b": 2, "c": "yes", "d": None}
    with pytest.raises(BadRow, match="row 3: a: is larger than"):
        preprocess(raw=True).features(rows)
    del rows[2]["c"]
    with pytest.raises(BadRow, match="row 2: c: is missing"):
        preprocess().features(rows)
    rows[1] = [1, 2]
    with pytest.raises(BadRow, match="row 1: must be an object of inputs, not a list"):
        preprocess().features(rows)


def test_only_numbers_or_only_categories() -> None:
    rows = [{"a": 1.0, "b": 2, "c": "yes"} for _ in range(9)]
    assert list(preprocess(categories={}).features(rows)[8]) == ["numbers"]
    assert list(preprocess(numbers={}, categories={"c": WORDS["c"]}).features(rows)[8]) == ["categories"]
