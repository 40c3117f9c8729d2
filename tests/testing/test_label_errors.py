"""Labels that are probably wrong."""

from __future__ import annotations

from mlspec.testing.label_errors import label_errors


def test_a_certain_prediction_of_another_label_is_listed_the_most_certain_first() -> None:
    probabilities = [[0.9, 0.1], [0.8, 0.2], [0.05, 0.95], [0.1, 0.9], [0.2, 0.8], [0.97, 0.03]]
    assert label_errors(probabilities, [0, 0, 0, 1, 1, 1]) == [5, 2]


def test_an_uncertain_prediction_of_another_label_is_not_listed() -> None:
    probabilities = [[0.9, 0.1], [0.9, 0.1], [0.45, 0.55], [0.1, 0.9], [0.05, 0.95]]
    assert label_errors(probabilities, [0, 0, 0, 1, 1]) == []


def test_a_label_without_rows_is_never_assumed() -> None:
    assert label_errors([[0.2, 0.1, 0.7], [0.6, 0.1, 0.3]], [0, 0]) == []
