"""Quality by version and slice with intervals, without labels, and the mix of the true labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlspec.cli.console import Console
from mlspec.cli.monitor_text import show_state, state_json
from mlspec.errors import UsageError
from mlspec.monitoring.baseline.reference import ScoreBin
from mlspec.monitoring.quality_measures import area_error
from mlspec.report.monitor_page import monitor_page
from tests.monitoring.incidents_store import incidents_state
from tests.monitoring.log_lines import line, segment
from tests.monitoring.references import REFERENCE
from tests.monitoring.watched import Service


def test_each_version_and_slice_has_an_interval_and_its_labelled_share() -> None:
    views = {(view.version, view.slice): view for view in incidents_state().quality}
    whole = views["8", ""]
    assert whole.value is not None
    assert whole.low is not None
    assert whole.high is not None
    assert whole.low < 0.4 < whole.high
    assert whole.rows == 500
    assert whole.labelled_share == pytest.approx(0.5, abs=0.1)
    towns = {slice: view for (version, slice), view in views.items() if version == "8" and slice}
    assert towns.keys() == {"town=Bonn", "town=Köln", "town=Trier"}
    assert sum(view.labelled for view in towns.values()) == whole.labelled
    assert towns["town=Bonn"].compared == "0.800 on 600 rows of the test split"


def test_without_declared_slices_an_input_with_values_that_are_not_counted_by_name_has_none(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.answer(60)
    state = service.observe().state
    assert [view.slice for view in state.quality] == [""]
    assert "slices" not in {panel.id for panel in state.panels}


def test_declared_slices_are_measured(tmp_path: Path) -> None:
    service = Service(tmp_path, drift={"slices": ["town"]})
    service.answer(60)
    views = service.observe().state.quality
    assert [view.slice for view in views][:3] == ["", "town=Bonn", "town=Köln"]
    assert sum(view.rows for view in views if view.slice) == 60
    assert {view.value for view in views} == {None}


SLICES = {
    "old": {"where": "age >= 40 AND town = 'Bonn'"},
    "length": {"column": "sentence", "by": "length", "bins": [10, 20]},
    "month": {"by": "month"},
    "age": {"bins": [30, 40]},
    "town": {},
}


def test_slices_by_a_condition_a_length_a_month_and_bins(tmp_path: Path) -> None:
    service = Service(tmp_path, quality={"slices": SLICES})
    service.answer(200)
    records = [line(900 + n, service.now, inputs={"age": None, "town": None, "sentence": "x"}) for n in range(5)]
    segment(tmp_path, records, "other-1-1-1")
    model = service.model
    views = {view.slice: view.rows for view in service.observe().state.quality}
    query = 'SELECT COUNT(*) FROM predictions WHERE "input.age" >= 40 AND "input.town" = \'Bonn\''
    old = model.store.query(query).column(0)[0].as_py()
    assert views["old=yes"] == old > 0
    assert 190 < views["old=yes"] + views["old=no"] <= 200  # those without an age may be in none
    assert views["month=2026-11"] == 205
    assert {name for name in views if name.startswith("age=")} == {"age=<30", "age=30..40", "age=>=40"}
    assert sum(count for name, count in views.items() if name.startswith("length=")) == 205
    assert views["town=Bonn"] > views["town=Trier"]


def test_a_condition_that_is_not_sql_names_its_slice(tmp_path: Path) -> None:
    service = Service(tmp_path, quality={"slices": {"old": {"where": "agee > 3"}}})
    service.answer(30)
    with pytest.raises(UsageError, match=r"monitor.quality.slices.old: .*agee"):
        service.observe()


def test_without_labels_the_expected_quality_says_what_it_assumes() -> None:
    state = incidents_state()
    assert [view.version for view in state.estimates] == ["7", "8"]
    assert all(view.low < view.value < view.high for view in state.estimates)
    assert "wrong if the same inputs now have other labels" in state.estimate_assumption
    assert state.label_bias.startswith("the labelled rows are like the others")


def test_the_metrics_of_each_label_are_expected_as_they_turn_out(tmp_path: Path) -> None:
    """Calibrated scores: 1,500 rows whose true labels are drawn from them."""
    calibration = tuple(ScoreBin(score=100 * s, correct=int(100 * s), count=100) for s in np.arange(0.525, 1, 0.05))
    classes = REFERENCE.classes
    assert classes is not None
    reference = REFERENCE.model_copy(update={"classes": classes.model_copy(update={"calibration": calibration})})
    service, draws = Service(tmp_path, reference=reference), np.random.default_rng(1)
    chances = draws.beta(1.2, 0.8, 1500)
    actual, predicted = draws.random(1500) < chances, chances >= 0.5
    records = []
    for number, yes in enumerate(chances.tolist()):
        label = "yes" if yes >= 0.5 else "no"
        prediction = {"label": label, "score": max(yes, 1 - yes), "probabilities": {"no": 1 - yes, "yes": yes}}
        records.append(line(number, prediction=prediction))
    segment(tmp_path, records)
    service.count = 1500
    measures = {(v.label, v.metric): v for v in service.observe().state.measures if v.label}
    views = {key: view.estimated for key, view in measures.items() if view.estimated}
    assert {metric for _, metric in views} == {"precision", "recall", "f1", "auroc"}
    right = np.sum(actual & predicted)
    pairs = np.sum(np.argsort(np.argsort(chances))[actual] + 1) - actual.sum() * (actual.sum() + 1) / 2
    truth = {
        "precision": right / predicted.sum(),
        "recall": right / actual.sum(),
        "f1": 2 * right / (actual.sum() + predicted.sum()),
        "auroc": pairs / (actual.sum() * (~actual).sum()),
    }
    for metric, value in truth.items():
        view = views["yes", metric]
        assert view.low < value < view.high, metric
        assert view.value == pytest.approx(value, abs=0.03), metric
        assert view.high - view.low < 0.2, metric


def test_the_measures_of_each_label_are_measured_with_labels() -> None:
    """Version 7 is right in 8 of 10 rows, version 8 in 4 of 10; scores say nothing about which."""
    measures = {(view.version, view.metric, view.label): view for view in incidents_state().measures}
    for version, right in (("7", 0.8), ("8", 0.4)):
        names = [(metric, label) for metric in ("precision", "recall", "f1") for label in ("no", "yes")]
        for metric, label in (("accuracy", ""), *names):
            view = measures[version, metric, label].measured
            assert view is not None
            assert view.low < view.value < view.high < view.low + 0.2
            assert view.value == pytest.approx(right, abs=0.15), metric
        accuracy = measures[version, "accuracy", ""]
        (shown,) = [each for each in incidents_state().quality if (each.version, each.slice) == (version, "")]
        assert accuracy.measured is not None
        assert (accuracy.measured.value, accuracy.measured.low) == (shown.value, shown.low)
        area = measures[version, "auroc", "yes"].measured
        assert area is not None
        assert (area.value > 0.5) == (right > 0.5)


def test_the_chart_of_the_quality_has_what_was_expected() -> None:
    state = incidents_state()
    (panel,) = [panel for panel in state.panels if panel.id == "quality"]
    lines = {line.name: line for line in panel.lines}
    assert {name: line.dashed for name, line in lines.items()} == {
        "7": False, "8": False, "7 expected": True, "8 expected": True,
        "test split": True,
    }  # fmt: skip
    for estimate in state.estimates:
        values = [value for _, value in lines[f"{estimate.version} expected"].points if value is not None]
        assert min(values) - 1e-3 <= estimate.value <= max(values) + 1e-3
    assert {value for _, value in lines["test split"].points} == {0.8}
    points = [point for point in state_json(state)["quality_over_time"] if point["line"] == "7"]  # type: ignore[attr-defined]
    assert len(points) == sum(value is not None for _, value in lines["7"].points)
    assert all(point["low"] < point["value"] < point["high"] for point in points)


def test_a_test_split_with_rows_of_one_label_says_nothing_about_the_area() -> None:
    assert area_error(0.9, 10, 0) == 1.0
    assert area_error(0.9, 100, 100) == pytest.approx(0.0217, abs=0.001)


def shifted(draws: np.random.Generator, share: float) -> tuple[dict[str, object], bool]:
    """A prediction of a model that learned 60 % yes, of rows of which that share is; and whether it is right."""
    true = draws.random() < share
    odds = np.exp(draws.normal(1.5 if true else -1.5, 3**0.5)) * 0.6 / 0.4
    yes = float(odds / (1 + odds))
    label = "yes" if yes >= 0.5 else "no"
    prediction = {"label": label, "score": max(yes, 1 - yes), "probabilities": {"no": 1 - yes, "yes": yes}}
    return prediction, (label == "yes") == true


def test_the_true_labels_of_each_version_are_estimated_from_calibrated_probabilities(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calibration = tuple(ScoreBin(score=100 * s, correct=int(100 * s), count=100) for s in np.arange(0.525, 1, 0.05))
    classes = REFERENCE.classes
    assert classes is not None
    reference = REFERENCE.model_copy(update={"classes": classes.model_copy(update={"calibration": calibration})})
    service, draws = Service(tmp_path, reference=reference), np.random.default_rng(0)
    records, right, number = [], dict.fromkeys("789", 0), 0
    for version, share, rows in (("7", 0.2, 3000), ("8", 0.8, 3000), ("9", 0.5, 40)):
        for _ in range(rows):
            prediction, is_right = shifted(draws, share)
            right[version] += is_right
            records.append(line(number := number + 1, prediction=prediction, version=version))
    segment(tmp_path, records)
    service.count = number
    state = service.observe().state
    mixes = {mix.version: mix for mix in state.label_mixes}
    for version, share in (("7", 0.2), ("8", 0.8)):
        shares = {each.label: each for each in mixes[version].shares}
        assert shares["yes"].training == 0.6
        assert shares["yes"].estimated == pytest.approx(share, abs=0.03)
        for ends, value in (
            (shares["yes"].estimated_interval, shares["yes"].estimated),
            (shares["yes"].predicted_interval, shares["yes"].predicted),
        ):
            assert ends is not None
            assert ends[0] < value < ends[1] < ends[0] + 0.06
        accuracy = mixes[version].accuracy
        assert accuracy is not None
        assert accuracy.value == pytest.approx(right[version] / 3000, abs=0.015)
        assert accuracy.low < right[version] / 3000 < accuracy.high
        assert "rows of one label look as they did in training" in mixes[version].assumption
    assert mixes["9"].accuracy is None
    few = "The shares of the true labels of version 9 are not estimated: 40 predictions of 100 that are needed."
    show_state(Console(), state)
    text, page = " ".join(capsys.readouterr().out.split()), monitor_page(state)
    for shown in (text, page):
        assert few in shown
        assert "With these shares the expected accuracy of version 7 is 0." in shown
        assert "With these shares the expected accuracy of version 8 is 0." in shown


def test_shares_of_labels_that_do_not_converge_are_not_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each row is the least bit more often `yes` than in training, so that the estimate moves slowly."""
    calibration = tuple(ScoreBin(score=100 * s, correct=int(100 * s), count=100) for s in np.arange(0.525, 1, 0.05))
    classes = REFERENCE.classes
    assert classes is not None
    reference = REFERENCE.model_copy(update={"classes": classes.model_copy(update={"calibration": calibration})})
    service = Service(tmp_path, reference=reference)
    prediction = {"label": "yes", "score": 0.606, "probabilities": {"no": 0.394, "yes": 0.606}}
    segment(tmp_path, [line(number, prediction=prediction) for number in range(300)])
    service.count = 300
    state = service.observe().state
    (mix,) = state.label_mixes
    assert [share.estimated for share in mix.shares] == [None, None]
    reason = "are not estimated: expectation maximisation did not converge in 1,000 steps"
    show_state(Console(), state)
    assert reason in " ".join(capsys.readouterr().out.split())
    assert reason in monitor_page(state)
    mixes = state_json(state)["label_mixes"]
    assert isinstance(mixes, list)
    assert mixes[0]["problem"] in monitor_page(state)
