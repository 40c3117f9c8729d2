from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from mlspec.errors import StageError
from mlspec.parts.package.prediction_check import ExpectedPredictions
from mlspec.parts.package.prediction_difference import difference
from mlspec.parts.package.sample_rows import rows
from mlspec.runtime import Predictor
from tests.bundles import text_bundle

YES = {"label": "yes", "score": 0.75, "probabilities": {"no": 0.25, "yes": 0.75}}


@pytest.mark.parametrize(
    ("there", "apart"),
    [
        (YES, 0.0),
        ({**YES, "probabilities": {"no": 0.35, "yes": 0.65}}, 0.1),
        ({**YES, "probabilities": {"yes": 0.75}}, math.inf),
        ({"label": "yes"}, math.inf),
        ({**YES, "probabilities": {"no": None, "yes": 0.75}}, math.inf),
        ("yes", math.inf),
    ],
)
def test_predictions_lie_as_far_apart_as_their_probabilities(there: Any, apart: float) -> None:
    assert difference(YES, there) == pytest.approx(apart)


def test_values_are_compared_by_their_size() -> None:
    assert difference({"value": 1000.0}, {"value": 1001.0}) == pytest.approx(0.001)
    assert difference({"value": 0.0}, {"value": 0.5}) == pytest.approx(0.5)
    assert difference({"value": 1.0}, {"value": math.nan}) == math.inf


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> ExpectedPredictions:
    return ExpectedPredictions(text_bundle(tmp_path_factory.mktemp("b") / "bundle"))


def test_the_bundles_own_answers_pass(expected: ExpectedPredictions) -> None:
    results = [(200, answer) for answer in expected.answers]
    assert len(results) == len(expected.bodies()) == 3
    assert expected.compare("it", results) == 0
    assert json.loads(json.loads(expected.events()[1])["body"]) == expected.rows[1]
    envelopes = [{"statusCode": 200, "body": json.dumps(answer)} for answer in expected.answers]
    assert expected.compare_events("it", envelopes) < 1e-12


@pytest.mark.parametrize(
    ("status", "actual", "message"),
    [
        (400, {"error": "no such input"}, r"it answers with HTTP 400 to \{"),
        (500, None, r"it answers with HTTP 500"),
        (200, [], r"instead of the bundle's"),
        (200, {"label": "yes"}, r"instead of the bundle's"),
        (200, YES, r"it predicts yes \(0.7500\) instead of the bundle's yes .*: difference .*, limit 0.001"),
        (200, {"value": math.nan}, r"instead of the bundle's"),
        (200, None, r"instead of the bundle's"),
    ],
)
def test_another_answer_is_refused(status: int, actual: Any, message: str, expected: ExpectedPredictions) -> None:
    first, second, _ = expected.answers
    with pytest.raises(StageError, match=message):
        expected.compare("it", [(200, first), (200, second), (status, actual)])


@pytest.mark.parametrize("actual", [None, {}, {"errorMessage": "Task timed out"}, "x"])
def test_a_function_that_failed_is_refused(actual: Any, expected: ExpectedPredictions) -> None:
    with pytest.raises(StageError, match=r"it fails: "):
        expected.compare_events("it", [actual] * 3)


INPUTS = [{"name": "sentence", "type": "text"}, {"name": "age", "type": "number"}, {"name": "city", "type": "category"},
          {"name": "face", "type": "image", "channels": 3, "height": 4, "width": 6}]  # fmt: skip


def test_rows_are_generated_from_the_profile_the_vocabulary_and_the_image_size(tmp_path: Path) -> None:
    bundle = text_bundle(tmp_path / "bundle")
    signature = json.loads((bundle / "signature.json").read_text())
    (bundle / "signature.json").write_text(json.dumps(signature | {"inputs": INPUTS}))
    columns = {"age": {"quantiles": {"0.05": 18, "0.5": 40, "0.95": 70}}, "city": {"top": [{"value": "Bonn"}]}}
    (bundle / "profile.json").write_text(json.dumps({"columns": columns}))
    actual = rows(bundle)
    assert [row["age"] for row in actual] == [18, 40, 70]
    assert [row["city"] for row in actual] == ["Bonn", None, None]
    assert len({len(str(row["sentence"]).split()) for row in actual}) == 3
    assert len({row["face"] for row in actual}) == 3
    assert "dog" in str(actual[2]["sentence"])


def test_without_a_profile_the_rows_still_fit(tmp_path: Path) -> None:
    bundle = text_bundle(tmp_path / "bundle")
    (bundle / "profile.json").unlink()
    assert len(Predictor(bundle).predict(rows(bundle))) == 3
