from __future__ import annotations

import math

import pytest

from mlspec.monitoring.drift.drift_alarm import evidence_words, threshold_words


@pytest.mark.parametrize(
    ("evidence", "threshold", "shown"),
    [
        (800_000.0, 720_000.0, "800,000 (an alarm needs 720,000)"),
        (616_000.0, 720_000.0, "616,000 (one column alone needs 720,000, each of two that change at once 360,000)"),
        (5.0, None, "5"),
        (5.0, math.inf, "5"),
    ],
)
def test_an_alarm_below_the_threshold_of_one_column_says_why(evidence: float, threshold: float, shown: str) -> None:
    assert evidence_words(evidence, threshold) == shown


def test_several_columns_need_less() -> None:
    assert "900 in one column, or of 450 in each of two, 300 in each of three" in threshold_words(900)
