"""Rows to slices."""

from __future__ import annotations

import pytest

from mlspec.parts.evaluate.slices import cut
from mlspec.sections.evaluate import Slice
from mlspec.sections.slice_bins import names_of_bins


def test_values_the_most_frequent_first() -> None:
    values = ["b", "a", "b", None, "c", "a", "b"]
    assert cut(values, Slice()) == {"b": [0, 2, 6], "a": [1, 5], "(missing)": [3], "c": [4]}
    assert list(cut(values, Slice(top=2))) == ["b", "a"]
    assert list(cut(values, Slice(min_rows=2))) == ["b", "a"]


def test_bins_hold_their_lower_edge() -> None:
    assert names_of_bins([1, 2.5]) == ["<1", "1..2.5", ">=2.5"]
    result = cut([0.5, 1, 2.5, 9, float("nan")], Slice(bins=[1, 2.5]))
    assert result == {"<1": [0], "1..2.5": [1], ">=2.5": [2, 3], "(missing)": [4]}


def test_lengths_of_texts() -> None:
    assert cut(["", "abc", "abcdef"], Slice(by="length", bins=[3, 5])) == {"<3": [0], "3..5": [1], ">=5": [2]}
    with pytest.raises(ValueError, match="is not text"):
        cut([3.0], Slice(by="length", bins=[1]))
    with pytest.raises(ValueError, match="is not a number"):
        cut(["x"], Slice(bins=[1]))
