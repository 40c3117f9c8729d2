from __future__ import annotations

import pytest

from mlspec.spec.cron import moments, shortest_gap


def test_fields_are_read() -> None:
    assert moments("0,30 9-17/4 * JAN-mar MON") == (
        frozenset({0, 30}), frozenset({9, 13, 17}), frozenset(range(1, 32)), frozenset({1, 2, 3}), frozenset({1}),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@daily", "five fields"),
        ("0 3 * *", "five fields"),
        ("0  3 * * 1", "five fields"),
        ("60 * * * *", "`60` is not a valid minute"),
        ("* 24 * * *", "`24` is not a valid hour"),
        ("* * 0 * *", "`0` is not a valid day of the month"),
        ("* * * 13 *", "`13` is not a valid month"),
        ("* * * * 7", "`7` is not a valid day of the week"),
        ("* * * * mo", "`mo` is not a valid day of the week"),
        ("5-1 * * * *", "does not contain a minute"),
        ("*/0 * * * *", "does not contain a minute"),
        ("5/15 * * * *", "`5/15` is not a valid minute"),
        (", * * * *", "`` is not a valid minute"),
        ("0 0 30 2 *", "day 30 does not exist in month 2"),
        ("٣ * * * *", "is not a valid minute"),
    ],
)
def test_errors_are_reported(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("*", ".")):
        moments(text)


def test_a_day_that_only_some_months_have() -> None:
    assert moments("0 0 31 1,2 *")
    assert moments("0 0 29 2 *")


@pytest.mark.parametrize(
    ("text", "minutes"), [("*/2 * * * *", 2), ("0 3 * * 1", 1440), ("58,3 * * * *", 5), ("0 * * * *", 60)]
)
def test_the_shortest_gap(text: str, minutes: int) -> None:
    assert shortest_gap(text) == minutes
