"""Each compared column with its distances net of noise, beside the evidence of the detectors."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.monitoring.monitor_state import FeatureView
from tests.monitoring.incidents_store import incidents_state
from tests.monitoring.watched import Service


def views() -> dict[str, FeatureView]:
    return {view.title: view for view in incidents_state().features}


def test_a_column_that_moved_is_above_the_noise() -> None:
    age = views()["age"]
    assert (age.name, age.measure, age.state) == ("age", "number", "bad")
    assert age.psi is not None
    assert age.ks is not None
    assert age.chi_square is not None
    assert age.psi.net > 0.1
    assert age.ks.net > 0.1
    assert age.ks.p is not None
    assert age.ks.p < 1e-6
    assert age.chi_square.p is not None
    assert age.chi_square.p < 1e-6
    assert age.mean == pytest.approx(45, abs=1)
    assert age.mean_reference == pytest.approx(40, abs=0.5)
    assert age.missing == pytest.approx(0.02, abs=0.02)
    threshold = incidents_state().evidence_threshold
    assert age.evidence is not None
    assert threshold is not None
    assert age.evidence >= threshold / 2
    assert age.note.startswith("moved up by +")


@pytest.mark.parametrize("title", ["town", "characters of sentence", "words of sentence", "score", "predicted label"])
def test_a_column_as_in_training_is_within_the_noise(title: str) -> None:
    view = views()[title]
    assert (view.state, view.note) == ("good", "as in training")
    assert view.psi is not None
    assert view.psi.net < 0.02
    assert view.evidence is not None
    assert view.evidence < 100_000


def test_only_categories_have_unseen_values() -> None:
    assert {title: view.unseen for title, view in views().items() if view.unseen is not None} == {"town": 0.0}


def test_without_predictions_nothing_is_judged(tmp_path: Path) -> None:
    state = Service(tmp_path).observe().state
    assert {view.state for view in state.features} == {"unknown"}
    assert {view.psi for view in state.features} == {None}


def test_a_redacted_input_is_not_compared(tmp_path: Path) -> None:
    service = Service(tmp_path, log={"columns": {"age": "redacted"}})
    service.answer(50)
    notes = {view.title: view.note for view in service.observe().state.features}
    assert notes["age"] == "not compared"
    assert notes["town"] == "as in training"
