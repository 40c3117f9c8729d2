"""The model under attack: what it answers, and which reports of TextAttack it believes."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlspec.errors import StageError
from mlspec.parts.test.attacks import LabelledRow, Victim, attack
from mlspec.runtime import BadRow
from mlspec.runtime.predictor import ClassPrediction
from mlspec.sections.test import TextAttack


@dataclass
class SignatureStandIn:
    labels: tuple[str, ...] = ("sad", "glad")
    threshold: float | None = None


class PredictorStandIn:
    """Glad with the probability 0.9 where a text has the word good, else 0.2; fails on a text with `!`."""

    def __init__(self, threshold: float | None = None) -> None:
        self.signature = SignatureStandIn(threshold=threshold)
        self.rows: list[Mapping[str, object]] = []

    def predict(self, rows: Sequence[Mapping[str, object]]) -> list[ClassPrediction]:
        self.rows += rows
        return [self._answer(i, row) for i, row in enumerate(rows)]

    def _answer(self, index: int, row: Mapping[str, object]) -> ClassPrediction:
        if "!" in str(row["text"]):
            raise BadRow(index, "text", "no exclamation marks")
        glad = 0.9 if "good" in str(row["text"]).split() else 0.2
        label = self.signature.labels[glad >= (self.signature.threshold or 0.5)]
        return {"label": label, "score": glad, "probabilities": {"sad": 1 - glad, "glad": glad}}


ROWS = [
    LabelledRow(4, {"text": "a good day", "other": None, "age": 3}, "glad"),
    LabelledRow(7, {"text": "a bad day", "other": "x", "age": 4}, "sad"),
    LabelledRow(9, {"text": "good or bad", "other": "y", "age": 5}, "sad"),  # predicted wrongly
    LabelledRow(11, {"text": "  ", "other": None, "age": 6}, "sad"),
    LabelledRow(12, {"text": "some <SPLIT>", "other": "z", "age": 7}, "sad"),
]


def victim(threshold: float | None = None) -> tuple[Victim, PredictorStandIn]:
    predictor = PredictorStandIn(threshold)
    return Victim(predictor, ROWS, ("text", "other")), predictor  # type: ignore[arg-type]


def report(row: int, text: str, **more: Any) -> dict[str, Any]:
    return {"recipe": "deepwordbug", "row": row, "success": True, "texts": {"text": text}, "changed": 1, "words": 3,
            "queries": 9, **more}  # fmt: skip


def test_rows_that_are_predicted_correctly_and_have_a_text_are_attacked() -> None:
    model, _ = victim()
    assert list(model.correct) == [4, 7, 11, 12]
    assert model.open_rows() == [
        {"row": 4, "label": 1, "texts": {"text": "a good day"}},
        {"row": 7, "label": 0, "texts": {"text": "a bad day", "other": "x"}},
        {"row": 12, "label": 0, "texts": {"other": "z"}},
    ]


def test_other_inputs_are_unchanged() -> None:
    model, predictor = victim()
    assert model.scores(4, [["a godo day"], ["a good dya"]]) == [[0.8, 0.2], [pytest.approx(0.1), 0.9]]
    assert predictor.rows[-2:] == [
        {"text": "a godo day", "other": None, "age": 3},
        {"text": "a good dya", "other": None, "age": 3},
    ]


@pytest.mark.parametrize(("threshold", "glad"), [(0.1, 1), (0.2, 1), (0.3, 0), (0.8, 0)])
def test_the_largest_score_is_that_of_the_predicted_label(threshold: float, glad: int) -> None:
    model, _ = victim(threshold)
    ((low, high),) = model.scores(4, [["a godo day"]])
    assert low + high == pytest.approx(1)
    assert (high >= low) == bool(glad)


def test_the_prediction_of_the_bundle_counts() -> None:
    model, _ = victim()
    model.count(report(4, "a godo day"))
    model.count(report(7, "a bda day"))  # the bundle still says sad
    model.count(report(11, "x", success=False))
    tally = model.tallies["deepwordbug"]
    (success,) = tally.successes
    assert (success.row, success.label, success.predicted, success.after) == (4, "glad", "sad", {"text": "a godo day"})
    result = tally.result(len(ROWS), len(model.correct))
    assert (result.rows, result.attacked, result.accuracy) == (5, 4, 0.8)
    assert (result.accuracy_under_attack, result.success_rate, result.queries) == (0.6, 0.25, 9)


def test_a_row_that_textattack_cannot_attack_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    model, _ = victim()
    model.count({"recipe": "pruthi", "row": 7, "error": "ValueError: substring not found"})
    assert "warning: pruthi cannot attack row 7 of test, which is left out: ValueError" in capsys.readouterr().out
    result = model.tallies["pruthi"].result(len(ROWS), len(model.correct))
    assert (result.rows, result.attacked, result.accuracy_under_attack) == (4, 3, 0.75)


def test_a_text_that_the_preprocessing_refuses() -> None:
    model, _ = victim()
    with pytest.raises(StageError, match=r"cannot predict the row .*a good!.*: no exclamation marks"):
        model.scores(4, [["a good!"]])


def test_a_program_that_fails_is_reported_with_its_last_line(tmp_path: Path) -> None:
    model, _ = victim()
    with pytest.raises(StageError) as caught:
        attack(model, TextAttack(), Path(sys.executable), tmp_path)
    assert caught.value.message == "TextAttack failed: ModuleNotFoundError: No module named 'textattack'"
    assert str(tmp_path / "output.log") in (caught.value.help or "")
