"""Faults as the command line has them, percentiles, and answers that were made wrong."""

from __future__ import annotations

import random

import pytest

from mlspec.errors import UsageError
from mlspec.shipping.rehearsal.injected_faults import Faults, with_wrong_label
from mlspec.shipping.rehearsal.invocation_counts import percentile
from mlspec.shipping.rehearsal.local_lambda import labels


@pytest.mark.parametrize(
    ("ordered", "share", "expected"),
    [
        ([], 0.5, None),
        ([3.0], 0.99, 3.0),
        ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0),
        ([float(n) for n in range(1, 101)], 0.95, 95.0),
    ],
)
def test_percentiles_are_nearest_rank(ordered: list[float], share: float, expected: float | None) -> None:
    assert percentile(ordered, share) == expected


def test_faults_are_read() -> None:
    assert Faults.parse(["error_rate=0.2", "latency_ms=500"]) == Faults(error_rate=0.2, latency_ms=500)
    assert Faults.parse([]).as_json() == {}
    assert Faults.parse(["crash"]).as_json() == {"crash": 1.0}


@pytest.mark.parametrize(
    ("given", "message"),
    [("speed=3", "unknown fault: speed"), ("error_rate", "the fault error_rate needs a number"), ("wrong=x", "the fault wrong needs a number, not `x`"), ("error_rate=2", "must be between 0 and 1, not 2"),
     ("latency_ms=-1", "between 0 and"), ("error_rate=nan", "between 0 and 1")],
)  # fmt: skip
def test_an_unknown_fault_is_refused(given: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Faults.parse([given])


def test_a_wrong_answer_has_another_label_and_stays_an_answer() -> None:
    dice = random.Random(1)
    answer = {"label": "no", "score": 0.9, "probabilities": {"no": 0.9, "yes": 0.1}}
    wrong = {**answer, "label": "yes"}
    assert with_wrong_label(answer, dice, 1.0) == wrong
    assert with_wrong_label(answer, dice, 0.0) == answer
    assert with_wrong_label([answer, {"value": 3}], dice, 1.0) == [wrong, {"value": 3}]


@pytest.mark.parametrize(
    ("body", "expected"),
    [(b'{"label": "a"}', ("a",)), (b'[{"label": "a"}, {"label": "b"}]', ("a", "b")), (b'{"value": 1}', ()),
     (b'"label"', ()), (b'{"label"', ())],
)  # fmt: skip
def test_the_labels_of_an_answer(body: bytes, expected: tuple[str, ...]) -> None:
    assert labels(body) == expected
