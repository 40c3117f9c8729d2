"""Each compared column with its distances net of noise, beside the evidence of the detectors."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from mlspec.monitoring.input_views import MOST_VERSIONS
from mlspec.monitoring.monitor_state import FeatureView
from tests.monitoring.incidents_store import incidents_state
from tests.monitoring.watched import Service


def views(version: str = "8") -> dict[str, FeatureView]:
    return {view.title: view for view in incidents_state().features if view.version == version}


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
    assert age.mean == pytest.approx(48, abs=1)
    assert age.mean_reference == pytest.approx(40, abs=0.5)
    assert age.missing == pytest.approx(0.02, abs=0.02)
    assert views("7")["age"].mean == pytest.approx(43.6, abs=1)  # of 1,110 rows, 510 have moved
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


def test_an_input_that_moved_in_a_canary_is_as_in_training_in_the_other_version(tmp_path: Path) -> None:
    service = Service(tmp_path)
    for _ in range(10):
        service.answer(180)
        service.answer(20, version="8", age=60)
    state = service.observe().state
    ages = {view.version: view for view in state.features if view.title == "age"}
    assert {version: view.state for version, view in ages.items()} == {"7": "good", "8": "bad"}
    seven, eight = ages["7"], ages["8"]
    assert (seven.rows, eight.rows) == (pytest.approx(1800, rel=0.05), pytest.approx(200, rel=0.05))
    assert seven.psi is not None
    assert eight.psi is not None
    assert seven.psi.net < 0.05 < 1 < eight.psi.net
    assert seven.evidence is not None
    assert eight.evidence is not None
    assert seven.evidence < eight.evidence / 1000
    assert [view.version for view in state.features][:2] == ["7", "8"], "the versions of a column are side by side"


def test_of_many_versions_those_that_answered_last_are_shown(tmp_path: Path) -> None:
    service = Service(tmp_path)
    for number in range(MOST_VERSIONS + 2):
        service.answer(1, version=f"v{number}")
        service.count += 3600
    versions = {view.version for view in service.observe(timedelta(days=1)).state.features}
    assert versions == {f"v{number}" for number in range(2, MOST_VERSIONS + 2)}


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
