"""Typical values say what a request looks like, and nothing about a single row."""

from __future__ import annotations

from typing import Any

import pytest

from mlspec.parts.data.profiling import categories, numbers, texts
from mlspec.parts.export.example_values import typical
from mlspec.records.profile import ColumnProfile


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (numbers([1.0, 2.0, 900.0]), 2),
        (numbers([0.123456, 0.123456]), 0.1235),
        (numbers([10_115.0]), 10_120),
        (numbers([1e300, 1e300]), 1e300),
        (numbers([]), None),
        (categories(["Bonn"] * 5 + ["Oslo"] * 4), "Bonn"),
        (categories(["Bonn", "Oslo", "Rome"] * 4), None),
        (categories(["x" * 61] * 9), None),
        (categories([]), None),
        (texts(["My name is Ada."] * 9), None),
    ],
)
def test_a_typical_value(column: ColumnProfile, value: Any) -> None:
    assert repr(typical(column)) == repr(value)
