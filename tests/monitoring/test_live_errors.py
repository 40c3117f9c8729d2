"""The error of a regression without labels, from its test split to what `mlspec monitor` shows, sends and exports."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlspec.cli.console import Console
from mlspec.cli.monitor_text import show_state, state_json
from mlspec.monitoring.baseline.reference import Reference
from mlspec.monitoring.compute_reference import compute_reference, project_reference
from mlspec.monitoring.monitor_state import MonitorState
from mlspec.monitoring.observation import Observation
from mlspec.monitoring.tested_slices import LiveComparison
from mlspec.report.monitor_page import monitor_page
from tests.monitoring.log_lines import DAY, REGRESSION, line, segment
from tests.monitoring.test_compute_reference import artifacts
from tests.monitoring.watched import Service

KINDS = {"age": {"type": "number"}, "town": {"type": "category", "values": []}, "sentence": {"type": "text"}}
PRICE = {"column": "price", "type": "number"}
WORDS = ("one", "two", "three")
Draw = tuple[dict[str, list[object]], list[float], list[float]]


def drawn(count: int, seed: int, *, age: float = 40.0, rising: bool = True) -> Draw:
    """Inputs, predicted and true values. From an age of 50 on errors are four times as large, if `rising`."""
    draws = np.random.default_rng(seed)
    ages = draws.normal(age, 10, count)
    size = np.where((ages > 50) & rising, 40.0, 10.0)
    predicted = 100 + ages + draws.normal(0, 5, count)
    inputs: dict[str, list[object]] = {
        "age": ages.tolist(),
        "town": draws.choice(["Bonn", "Ulm"], count).tolist(),
        "sentence": [" ".join(draws.choice(WORDS, 3)) for _ in range(count)],
    }
    return inputs, predicted.tolist(), (predicted + draws.normal(size=count) * size).tolist()


def project(folder: Path, count: int = 400, *, rising: bool = True) -> Path:
    inputs, predicted, actual = drawn(count, 0, rising=rising)
    answers = {"actual": actual, "predicted": predicted}
    return artifacts(folder, KINDS, {**inputs, "price": actual}, PRICE, answers)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return compute_reference(project(tmp_path_factory.mktemp("project") / "artifacts"), "a1")


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    folder = tmp_path_factory.mktemp("steady") / "artifacts"
    return compute_reference(project(folder, 200, rising=False), "b2")


def observed(folder: Path, reference: Reference, age: float, log: dict[str, object] | None = None) -> Observation:
    """Of 400 predictions; `age` is the mean of an input."""
    service = Service(folder, reference=reference, **({"log": log} if log else {}))
    inputs, predicted, _ = drawn(400, 1, age=age)
    records = []
    for number, value in enumerate(predicted):
        row = {name: values[number] for name, values in inputs.items()}
        lengths = {"sentence": {"characters": len(str(row["sentence"])), "words": 3}}
        moment = DAY + timedelta(seconds=number)
        records.append(line(number, moment, inputs=row, lengths=lengths, prediction={"value": value}))
    segment(folder, records)
    service.count = 400
    return service.observe()


@pytest.fixture(scope="module")
def moved(learned: Reference, tmp_path_factory: pytest.TempPathFactory) -> Observation:
    return observed(tmp_path_factory.mktemp("moved"), learned, 50.0)


def error(seed: int, age: float) -> float:
    """Of many rows."""
    _, predicted, actual = drawn(20_000, seed, age=age)
    return float(np.abs(np.subtract(predicted, actual)).mean())


def test_a_shift_to_inputs_with_larger_errors_raises_the_expected_error(learned: Reference, moved: Observation) -> None:
    (view,) = moved.state.estimates
    assert view.metric == "mean absolute error"
    assert view.low < error(2, 50.0) < view.high
    assert view.value == pytest.approx(error(2, 50.0), rel=0.15)
    assert learned.values is not None
    assert view.tested == learned.values.error.mean
    assert view.low > 1.2 * view.tested


def test_without_a_shift_it_is_that_of_the_test_split(learned: Reference, tmp_path: Path) -> None:
    (view,) = observed(tmp_path, learned, 40.0).state.estimates
    assert view.low < error(2, 40.0) < view.high
    assert view.value == pytest.approx(error(2, 40.0), rel=0.15)


def test_the_terminal_the_page_and_json_have_it(moved: Observation, capsys: pytest.CaptureFixture[str]) -> None:
    show_state(Console(), moved.state)
    text = " ".join(capsys.readouterr().out.split())
    page = monitor_page(moved.state)
    for shown in (text, page):
        assert "is expected from the inputs and predicted values of version 7" in shown
        assert "What is expected without labels assumes that errors depend on the inputs" in shown
        assert "(concept drift)" in shown
        assert "of age are missing or beyond 98% of the test split" in shown
    assert "root mean squared error expected" in text
    document = json.loads(json.dumps(state_json(moved.state)))
    assert document["estimates"][0]["metric"] == "mean absolute error"
    assert [each["metric"] for each in document["measures"]] == ["mean absolute error", "root mean squared error"]
    assert document["tables"]["measures"][0]["Expected"] > 0


def test_the_chart_has_it_over_time_beside_the_test_split(moved: Observation) -> None:
    (panel,) = [panel for panel in moved.state.panels if panel.id == "quality"]
    lines = {one.name: one for one in panel.lines}
    assert {name: one.dashed for name, one in lines.items()} == {"expected": True, "test split": True}
    values = [value for _, value in lines["expected"].points if value is not None]
    (view,) = moved.state.estimates
    assert min(values) - 1e-9 <= view.value <= max(values) + 1e-9


def test_kibana_and_prometheus_get_it(moved: Observation) -> None:
    (view,) = moved.state.estimates
    values = [dict(report.values) for report in moved.reports if "quality_estimated" in report.values]
    ends = {"quality_estimated_low": view.low, "quality_estimated_high": view.high}
    assert values == [{"metric": view.metric, "quality_estimated": view.value, **ends, "quality_expected": view.tested}]
    named = {metric.name: metric for metric in moved.state.metrics if dict(metric.labels).get("version") == "7"}
    assert named["quality_estimated"].value == view.value
    assert named["quality_estimated_low"].value == view.low
    assert named["quality_expected"].value == view.tested
    measures = {dict(m.labels).get("metric") for m in moved.state.metrics if m.name == "measure_estimated"}
    assert measures == {"mean absolute error", "root mean squared error"}


def why(state: MonitorState) -> str:
    assert state.estimates == ()
    (signal,) = [signal for signal in state.signals if signal.question == "Is it still right?"]
    assert state.estimate_assumption in signal.detail
    return state.estimate_assumption


def test_where_inputs_do_not_show_the_error_it_is_not_known(steady: Reference, tmp_path: Path) -> None:
    reason = why(observed(tmp_path, steady, 50.0).state)
    assert (
        "is not known for version 7: on the 200 rows of its test split its inputs and predicted values do not" in reason
    )


def test_few_rows_or_an_input_that_is_no_longer_logged_have_a_reason(learned: Reference, tmp_path: Path) -> None:
    few = compute_reference(project(tmp_path / "few", 60), "c3")
    assert "60 rows of its test split are too few" in why(observed(tmp_path / "1", few, 40.0).state)
    hidden = why(observed(tmp_path / "2", learned, 40.0, {"columns": {"age": "redacted"}}).state)
    assert "its error was learned with age, whose values are not logged now" in hidden


def test_an_input_that_is_not_logged_is_not_learned_from(tmp_path: Path) -> None:
    folder, state = project(tmp_path / "artifacts", 150), tmp_path / "state"
    names = []
    for hidden in ({}, {"age": "redacted", "sentence": "redacted"}, {"sentence": "hashed"}):
        reference = project_reference(folder, state, LiveComparison(hidden=hidden))
        assert reference.values is not None
        assert reference.values.errors is not None
        assert dict(reference.values.errors.hidden) == hidden
        names.append({column.name for column in reference.values.errors.columns})
        assert (project_reference(folder, state, LiveComparison(hidden=hidden)) == reference) is True
    assert names[0] >= {"value", "input.age", "input.town", "characters.sentence"}
    assert "input.age" not in names[1]
    assert not [name for name in names[2] if name.endswith(".sentence")]


def test_predictions_that_are_not_those_of_the_test_split_are_not_used(tmp_path: Path) -> None:
    folder = project(tmp_path / "artifacts", 150)
    pq.write_table(pa.table({"actual": [1.0], "predicted": [2.0]}), folder / "evaluate" / "predictions.parquet")
    reference = compute_reference(folder, "d4")
    assert reference.values is not None
    assert reference.values.errors is None


def test_a_model_without_inputs_in_the_log_of_this_version_is_judged_by_what_there_is(
    learned: Reference, tmp_path: Path
) -> None:
    service = Service(tmp_path, reference=learned)
    segment(tmp_path, [line(n, prediction={"value": 140.0}, inputs={}, lengths={}) for n in range(50)])
    service.count = 60
    (view,) = service.observe().state.estimates
    assert view.low < view.value
    assert service.signature is REGRESSION
