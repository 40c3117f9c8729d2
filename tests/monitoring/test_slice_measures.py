"""The quality of slices by version, as it is reported: a canary, and which slices are left out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mlspec.monitoring.baseline.quantile_grid import QuantileGrid
from mlspec.monitoring.baseline.reference import ValueReference
from mlspec.monitoring.label_store import LabelStore
from mlspec.monitoring.monitor_state import MonitorState, SliceMeasure, ValueInterval
from mlspec.monitoring.observation import Observation
from mlspec.monitoring.slice_measures import LEAST_ROWS, MOST_SLICES, bounded
from tests.monitoring.references import SLICED, grid
from tests.monitoring.test_slice_quality import look
from tests.monitoring.watched import Service


def labelled(service: Service, wrong: Mapping[tuple[str, str], float]) -> Observation:
    """Labels of all predictions, of which a fifth is wrong; by version and town another share."""
    rows = service.model.store.query(
        'SELECT request_id, label, version, "input.town" AS town FROM predictions ORDER BY time'
    ).to_pylist()
    random, other = np.random.default_rng(1), {"yes": "no", "no": "yes"}
    labels = []
    for row in rows:
        is_wrong = random.random() < wrong.get((row["version"], row["town"]), 0.2)
        labels.append({"request_id": row["request_id"], "label": other[row["label"]] if is_wrong else row["label"]})
    LabelStore(service.model.store).add(pa.Table.from_pylist(labels), service.now)
    return service.observe()


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Observation:
    """A new version with a tenth of the traffic, which is mostly wrong in one town."""
    service = Service(tmp_path_factory.mktemp("canary"), reference=SLICED, quality={"slices": ["town"]})
    for _ in range(10):
        service.answer(135)
        service.answer(15, version="8")
    return labelled(service, {("8", "Köln"): 0.9})


def table(state: MonitorState) -> dict[tuple[object, object], tuple[float | str | None, ...]]:
    (panel,) = [panel for panel in state.panels if panel.id == "slices"]
    assert panel.heads[:2] == ("version", "slice")
    return {row[:2]: row[2:] for row in panel.cells}


def test_a_slice_that_is_bad_in_a_canary_of_a_tenth_is_seen(canary: Observation) -> None:
    """Over both versions the accuracy of the town is about 0.73, which nobody would call bad."""
    rows = table(canary.state)
    assert rows.keys() == {(version, f"town={town}") for version in "78" for town in ("Bonn", "Köln")}
    value, low, high, tested, count = rows["8", "town=Köln"]
    assert isinstance(low, float)
    assert isinstance(high, float)
    assert low < value < high < 0.4  # type: ignore[operator]
    assert tested == 0.8
    assert 30 <= count < 80  # type: ignore[operator]
    assert all(row[0] > 0.7 for place, row in rows.items() if place != ("8", "town=Köln"))  # type: ignore[operator]


def test_the_reports_and_gauges_are_those_of_the_table(canary: Observation) -> None:
    rows = table(canary.state)
    fields = ("slice_measure", "slice_measure_low", "slice_measure_high", "slice_measure_tested", "slice_measure_rows")
    reported = {
        (each.version, each.values["slice"]): tuple(each.values[name] for name in fields)
        for each in canary.reports
        if "slice_measure" in each.values
    }
    assert reported == rows
    gauges: dict[tuple[str, str], dict[str, float]] = {}
    for each in canary.state.metrics:
        labels = dict(each.labels)
        if each.name in fields:
            gauges.setdefault((labels["version"], f"{labels['slice']}={labels['value']}"), {})[each.name] = each.value
    assert {place: tuple(values[name] for name in fields) for place, values in gauges.items()} == rows


def test_slices_without_enough_rows_or_without_the_test_split_are_left_out(tmp_path: Path) -> None:
    service = Service(tmp_path, reference=SLICED, quality={"slices": {"town": {}, "month": {"by": "month"}}})
    service.answer(60)
    state = labelled(service, {}).state
    views = {view.slice: view.labelled for view in state.quality}
    assert views["town=Köln"] < LEAST_ROWS <= views["town=Bonn"], "the page has both"
    assert table(state).keys() == {("7", "town=Bonn")}
    service.answer(2000)
    state = labelled(service, {}).state
    assert {view.slice: view.labelled for view in state.quality}["town=Trier"] > LEAST_ROWS
    assert table(state).keys() == {("7", "town=Bonn"), ("7", "town=Köln")}


def test_the_measures_of_a_version_that_no_longer_answers_are_over(tmp_path: Path) -> None:
    service = Service(tmp_path, reference=SLICED, quality={"slices": ["town"]})
    service.answer(300, version="6")
    service.answer(1100)
    rows = table(labelled(service, {}).state)
    assert {version for version, _ in rows} == {"7"}
    assert {each.version for each in look(service).measures} == {"6", "7"}


def test_an_error_of_a_number_has_its_interval_in_the_unit_of_the_target(tmp_path: Path) -> None:
    errors = QuantileGrid.of(np.abs(np.random.default_rng(3).normal(0, 10_000, 1000)))
    values = ValueReference(value=grid(4, 1000, 300_000, 90_000), error=errors)
    known = {"classes": None, "values": values, "slice_errors": {"town": {"Bonn": errors}}}
    service = Service(tmp_path, reference=SLICED.model_copy(update=known), quality={"slices": ["town"]})
    service.answer(200)
    rows = service.model.store.query("SELECT request_id, value FROM predictions").to_pylist()
    labels = [{"request_id": row["request_id"], "value": row["value"] + 20_000 * (n % 2)} for n, row in enumerate(rows)]
    LabelStore(service.model.store).add(pa.Table.from_pylist(labels), service.now)
    (bonn,) = look(service).measures
    assert (bonn.slice, bonn.metric) == ("town=Bonn", "mean absolute error")
    assert bonn.tested == pytest.approx(8_000, rel=0.1)
    assert bonn.measured.low < 10_000 < bonn.measured.high
    assert bonn.measured.high - bonn.measured.low < 5_000


def test_of_very_many_slices_those_with_an_alarm_and_the_most_rows_are_reported() -> None:
    ends = ValueInterval(0.5, 0.4, 0.6)
    every = [
        SliceMeasure(version, "town", f"town {n}", "accuracy", ends, 0.8, n)
        for n in range(MOST_SLICES + 50)
        for version in "78"
    ]
    kept = list(bounded(every, {("8", "town", "town 3")}))
    assert [each.version for each in kept] == ["7"] * MOST_SLICES + ["8"] * MOST_SLICES
    assert min(each.rows for each in kept if each.version == "7") == 50
    assert sorted(each.rows for each in kept if each.version == "8")[:2] == [3, 51]
