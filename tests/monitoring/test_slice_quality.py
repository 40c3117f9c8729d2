"""A fall of the quality in one slice: the alarm, its budget, and after how many rows it is found."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlspec.cli.console import Console
from mlspec.cli.monitor_text import show_state, state_json
from mlspec.monitoring.baseline.quantile_grid import QuantileGrid
from mlspec.monitoring.baseline.reference import ValueReference
from mlspec.monitoring.drift.evidence import DIRECTIONS, FRACTIONS, Bets, accumulate
from mlspec.monitoring.incident_detectors import slice_replays
from mlspec.monitoring.incidents import INCIDENTS, replay
from mlspec.monitoring.label_store import LabelStore
from mlspec.monitoring.panel_data import ViewedRange
from mlspec.monitoring.quality.risk_alarm import RiskMonitor
from mlspec.monitoring.quality_state import new_risk_monitor
from mlspec.monitoring.queries.query import ModelShape
from mlspec.monitoring.slice_detectors import FIRST_ROWS, MOST_OWN, new_slice_monitor, own_slice_monitor
from mlspec.monitoring.slice_quality import SliceLook, look_at_slices
from mlspec.report.monitor_page import monitor_page
from tests.monitoring.references import SLICED, grid
from tests.monitoring.watched import Service

SEEDS = 200
TOWNS = ("Bonn", "Köln", "Trier")


def sliced(folder: Path, *, false_alarms: str = "1 per 90d", **slices: object) -> Service:
    return Service(folder, reference=SLICED, quality={"slices": slices or ["town"], "false_alarms": false_alarms})


def labelled(service: Service, wrong: dict[str, float]) -> None:
    """Labels of all predictions; of each town that share is wrong."""
    random = np.random.default_rng(1)
    other = {"yes": "no", "no": "yes"}
    rows = service.model.store.query('SELECT request_id, label, "input.town" AS town FROM predictions').to_pylist()
    lines: list[dict[str, Any]] = [
        {
            "request_id": row["request_id"],
            "label": other[row["label"]] if random.random() < wrong.get(row["town"], 0.2) else row["label"],
        }
        for row in rows
    ]
    LabelStore(service.model.store).add(pa.Table.from_pylist(lines), service.now)


def test_a_fall_in_one_slice_is_an_alarm_that_names_it(tmp_path: Path) -> None:
    service = sliced(tmp_path)
    service.answer(1500)
    labelled(service, {"Köln": 0.45, "Bonn": 0.12})
    seen = service.observe()
    (alarm,) = seen.state.alarms
    assert (alarm.id, alarm.group) == ("quality/7/town=Köln", "harmful")
    assert alarm.title == "Accuracy of town=Köln is worse than on its rows of the test split (version 7)"
    assert "labelled rows with town=Köln, 0.800 on its rows of the test split." in alarm.text
    assert (alarm.facts.slice, alarm.facts.direction) == ("town=Köln", "down")
    assert alarm.facts.low is not None
    assert alarm.facts.high is not None
    assert alarm.facts.low < 0.55 < alarm.facts.high < 0.8
    assert all(dict(row)["town"] == "Köln" for row in alarm.examples)
    (right,) = [signal for signal in seen.state.signals if signal.question == "Is it still right?"]
    assert right.level == "bad"
    assert "worse in town=Köln" in right.detail
    metrics = [each for each in seen.state.metrics if each.name.endswith("quality_alarm_open")]
    assert [(each.name, dict(each.labels).get("value"), each.value) for each in metrics] == [
        ("quality_alarm_open", None, 0.0),
        ("slice_quality_alarm_open", "Köln", 1.0),
    ]
    again = service.observe(timedelta(hours=7))
    assert [each.id for each in again.state.alarms] == [alarm.id]


def test_another_budget_holds_from_the_next_look_on(tmp_path: Path) -> None:
    service = sliced(tmp_path)
    service.answer(1500)
    labelled(service, {"Köln": 0.45, "Bonn": 0.12})
    service.observe()
    service.options = sliced(tmp_path / "other", false_alarms="1 per 900d").options
    service.observe()
    saved = json.loads((service.model.state / "slice-quality.json").read_text(encoding="utf-8"))["versions"]["7"][
        "town"
    ]
    expected = new_slice_monitor(service.model, "7", "town", "Bonn")
    assert expected is not None
    assert {json.loads(text)["budget_rows"] for text in saved.values()} == {expected.budget_rows}


def test_where_the_whole_version_is_worse_its_slices_are_no_further_alarms(tmp_path: Path) -> None:
    service = sliced(tmp_path)
    service.answer(1500)
    labelled(service, {"Köln": 0.6, "Bonn": 0.6})
    assert [alarm.id for alarm in service.observe().state.alarms] == ["quality/7"]


def test_a_slice_that_the_test_split_does_not_have_and_one_as_before_raise_none(tmp_path: Path) -> None:
    service = sliced(tmp_path)
    service.answer(1000)
    labelled(service, {"Trier": 0.9})
    assert service.observe().state.alarms == ()


def fallen_after(service: Service, town: str, rows: int) -> None:
    """Labels of which a tenth is wrong; in that town nine tenths from row number `rows` on."""
    query = 'SELECT request_id, label, "input.town" AS town FROM predictions ORDER BY time'
    random, other = np.random.default_rng(2), {"yes": "no", "no": "yes"}
    labels = []
    for place, row in enumerate(service.model.store.query(query).to_pylist()):
        wrong = random.random() < (0.9 if row["town"] == town and place >= rows else 0.1)
        labels.append({"request_id": row["request_id"], "label": other[row["label"]] if wrong else row["label"]})
    LabelStore(service.model.store).add(pa.Table.from_pylist(labels), service.now)


ONE_TOWN = SLICED.model_copy(update={"slice_errors": {"town": {"Bonn": SLICED.slice_errors["town"]["Bonn"]}}})


def test_a_slice_that_the_test_split_lacks_is_compared_with_its_first_labelled_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service = Service(tmp_path, reference=ONE_TOWN, quality={"slices": {"town": {}, "month": {"by": "month"}}})
    service.answer(900)
    fallen_after(service, "Köln", 700)
    seen = service.observe()
    (alarm,) = seen.state.alarms
    assert alarm.id == "quality/7/town=Köln"
    assert alarm.title == "Accuracy of town=Köln is worse than on its first 200 labelled rows (version 7)"
    assert alarm.facts.expected is not None
    assert 0.85 < alarm.facts.expected < 0.95
    assert alarm.since > service.start + timedelta(seconds=650)
    views = {view.slice: (view.compared, view.lacking) for view in seen.state.quality}
    lacking = "too few rows in the test split, and not yet 200 with a label"
    assert views.pop("town=Köln")[0] == f"{alarm.facts.expected:.3f} on its first 200 labelled rows"
    assert views == {
        "": ("0.800 on 1,000 rows of the test split", ""),
        "month=2026-11": ("", seen.state.slice_notes[0].partition(": ")[2]),
        "town=Bonn": ("0.800 on 600 rows of the test split", ""),
        "town=Trier": ("", lacking),
    }
    opened = [dict(each.labels) for each in seen.state.metrics if each.name == "slice_quality_alarm_open"]
    assert opened == [{"model": "shop", "version": "7", "slice": "town", "value": "other"}]  # clients choose values
    page = monitor_page(seen.state)
    show_state(Console(), seen.state)
    for shown in (" ".join(capsys.readouterr().out.split()), page):
        assert "The slice month has no alarm of its own: the test split has no time of an answer to compare" in shown
        assert lacking in shown
    assert state_json(seen.state)["slice_notes"] == list(seen.state.slice_notes)
    assert [each.id for each in service.observe(timedelta(hours=7)).state.alarms] == [alarm.id]


def test_the_errors_of_a_slice_of_a_regression_are_in_the_unit_of_the_target(tmp_path: Path) -> None:
    """A loss ends at an error of two standard deviations, and the error that is shown does not."""
    errors = QuantileGrid.of(np.abs(np.random.default_rng(3).normal(0, 10_000, 1000)))
    values = ValueReference(value=grid(4, 1000, 300_000, 90_000), error=errors)
    known = {"classes": None, "values": values, "slice_errors": {"town": {"Bonn": errors}}}
    service = Service(tmp_path, reference=SLICED.model_copy(update=known), quality={"slices": ["town"]})
    service.answer(1100)
    query = 'SELECT request_id, value, "input.town" AS town FROM predictions ORDER BY time'
    random, given = np.random.default_rng(5), []
    for place, row in enumerate(service.model.store.query(query).to_pylist()):
        wrong = 400_000.0 if row["town"] == "Köln" and place >= 1000 else float(random.normal(0, 10_000))
        given.append({"request_id": row["request_id"], "value": row["value"] + wrong})
    LabelStore(service.model.store).add(pa.Table.from_pylist(given), service.now)
    (worse,) = look(service).worse
    assert (worse.slice, worse.tested) == ("town=Köln", False)
    assert worse.expected == pytest.approx(8_000, rel=0.15)
    assert worse.measured is not None
    view = 'SELECT AVG(ABS(value - actual)) FROM labelled WHERE "input.town" = ?'
    with service.model.store.opened() as connection:
        ((mean,),) = connection.sql(view, params=["Köln"]).fetchall()
    assert worse.measured.value == pytest.approx(mean)
    assert mean > 30_000


def look(service: Service) -> SliceLook:
    """At the slices alone."""
    with service.model.store.opened() as connection:
        viewed = ViewedRange(service.start, service.now + timedelta(seconds=1))
        return look_at_slices(
            service.model, lambda text, values=(): connection.sql(text, params=list(values)).to_arrow_table(), viewed
        )


def test_looking_often_gives_the_same_detector_of_a_slice_that_the_test_split_lacks(tmp_path: Path) -> None:
    saved = []
    for name, parts in (("once", [900]), ("often", [300, 450, 150])):
        service = Service(tmp_path / name, reference=ONE_TOWN, quality={"slices": ["town"]})
        for rows in parts:
            first = service.count
            service.answer(rows)
            given = service.labels(1, 900, 0.7)[first : first + rows]
            LabelStore(service.model.store).add(pa.Table.from_pylist(given), service.now)
            if name == "often":
                look(service)
        saved.append(look(service).monitors["7"]["town"]["Köln"])
    assert saved[0] == saved[1]
    assert saved[0].live.rows > 100
    (service.model.state / "slice-quality.json").write_bytes(b'{"torn')
    assert look(service).monitors["7"]["town"]["Köln"] == saved[0]


def test_of_very_many_values_few_have_a_detector(tmp_path: Path) -> None:
    """As many values as rows, and then more values with enough labels than get a detector."""
    service = Service(tmp_path, reference=ONE_TOWN, quality={"slices": ["town"]})
    for place in range(100):
        service.answer(1, towns=dict.fromkeys(TOWNS, f"town {place}"))
    LabelStore(service.model.store).add(pa.Table.from_pylist(service.labels(1, 100, 0.8)), service.now)
    assert look(service).monitors == {"7": {"town": {}}}
    first = service.count + 1
    for many in range(MOST_OWN + 1):
        service.answer(FIRST_ROWS, towns=dict.fromkeys(TOWNS, f"many {many}"))
    labels = service.labels(first, (MOST_OWN + 1) * FIRST_ROWS, 0.8)
    LabelStore(service.model.store).add(pa.Table.from_pylist(labels), service.now)
    assert len(look(service).monitors["7"]["town"]) == MOST_OWN


def test_the_values_of_hashed_inputs_have_an_alarm_too(tmp_path: Path) -> None:
    hashes = {"Bonn": "00" * 8, "Köln": "11" * 8}
    errors = {hashes[town]: grid for town, grid in SLICED.slice_errors["town"].items()}
    reference = SLICED.model_copy(update={"tested": {"town": "town hashed"}, "slice_errors": {"town": errors}})
    log = {"columns": {"town": "hashed"}}
    service = Service(tmp_path, reference=reference, log=log, quality={"slices": ["town"]})
    service.answer(1500, towns=hashes)
    labelled(service, {hashes["Köln"]: 0.45, hashes["Bonn"]: 0.12})
    assert [alarm.id for alarm in service.observe().state.alarms] == [f"quality/7/town={hashes['Köln']}"]


def test_a_slice_of_another_definition_is_not_compared(tmp_path: Path) -> None:
    service = sliced(tmp_path, town={"where": "town = 'Bonn'"})
    service.answer(500)
    labelled(service, {"Köln": 0.9})
    assert [alarm.id for alarm in service.observe().state.alarms if "/town" in alarm.id] == []


def test_the_replay_of_a_fall_in_a_slice_says_after_how_many_rows_it_is_found(tmp_path: Path) -> None:
    (detector,) = slice_replays(sliced(tmp_path).model)
    (fall,) = [incident for incident in INCIDENTS if incident.sliced]
    rows = detector.rows_until_alarm(fall)
    assert rows is not None
    assert 20 < rows < 200
    assert [detector.rows_until_alarm(each) for each in INCIDENTS if not each.sliced and not each.flipped] == [None] * 8
    (replayed,) = [
        each
        for each in replay((), ModelShape("shop", "classification", ()), 60, [detector]).replays
        if each.incident is fall
    ]
    assert [(fired.alert, fired.rows) for fired in replayed.fired] == [("slice quality", rows)]
    assert list(slice_replays(Service(tmp_path / "without").model)) == []


def detectors(tmp_path: Path) -> list[RiskMonitor]:
    """Those of the two slices."""
    model = sliced(tmp_path).model
    monitors = [new_slice_monitor(model, "", "town", town) for town in ("Bonn", "Köln")]
    return [each for each in monitors if each is not None]


def test_the_slices_have_half_of_the_budget(tmp_path: Path) -> None:
    plain, divided = Service(tmp_path / "a").model, sliced(tmp_path / "b").model
    budget = new_risk_monitor(plain).budget_rows
    assert new_risk_monitor(divided).budget_rows == 2 * budget
    assert [each.budget_rows for each in detectors(tmp_path / "c")] == [2 * budget] * 2
    assert new_slice_monitor(divided, "", "town", "Trier") is None


def found_after(monitors: list[RiskMonitor], wrong: list[float], rows: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The row of the first alarm of any slice, by seed; infinity without one. Each row is in one of the slices."""
    random = np.random.default_rng(0)
    count = len(monitors)
    slices = np.arange(SEEDS * count) % count
    bets = Bets(np.array([monitors[s].allowed for s in slices]), np.zeros(len(slices)))
    values = (random.random((rows // count, len(slices))) < np.array(wrong)[slices]).astype(np.float64)
    sums = np.zeros((len(slices), DIRECTIONS, len(FRACTIONS)))
    evidence = accumulate(sums, bets.factors(values), np.ones(values.shape))[:, :, 0]
    reached = evidence >= np.array([monitors[s].budget_rows for s in slices])
    first = np.where(reached.any(axis=0), (reached.argmax(axis=0) + 1) * float(count), np.inf)
    result: np.ndarray[Any, np.dtype[np.float64]] = first.reshape(SEEDS, count).min(axis=1)
    return result


def test_false_alarms_stay_within_the_budget_of_the_slices(tmp_path: Path) -> None:
    """At the largest loss that counts as unchanged, an alarm is raised at most once in the rows of the budget."""
    monitors = [RiskMonitor(m.source, m.live, m.tolerance, 8_000.0) for m in detectors(tmp_path)]
    rows = 4_000
    worst = found_after(monitors, [monitor.allowed for monitor in monitors], rows)
    assert np.isfinite(worst).mean() <= rows / 8_000
    as_before = found_after(monitors, [0.2, 0.2], rows)
    assert np.isfinite(as_before).sum() == 0


def test_alarms_of_slices_that_are_compared_with_their_first_rows(tmp_path: Path) -> None:
    """A fifth of the first rows is wrong: at the largest loss that counts as unchanged few alarms are raised, and a
    fall to three fifths is found in each of them."""
    random, model = np.random.default_rng(0), sliced(tmp_path).model
    firsts = [own_slice_monitor(model, (random.random(FIRST_ROWS) < 0.2).astype(np.float64)) for _ in range(SEEDS)]
    bets = Bets(np.array([each.allowed for each in firsts]), np.zeros(SEEDS))
    reached = {}
    for wrong in (0.2 + model.options.quality.tolerance, 0.6):
        values = (random.random((2_000, SEEDS)) < wrong).astype(np.float64)
        sums = np.zeros((SEEDS, DIRECTIONS, len(FRACTIONS)))
        evidence = accumulate(sums, bets.factors(values), np.ones(values.shape))[:, :, 0]
        above = evidence >= firsts[0].budget_rows
        reached[wrong] = np.where(above.any(axis=0), above.argmax(axis=0) + 1.0, np.inf)
    unchanged, fallen = reached.values()
    assert np.isfinite(unchanged).sum() == 0
    assert np.isfinite(fallen).all()
    assert np.median(fallen) <= 150


@pytest.mark.parametrize(("wrong", "most"), [(0.6, 150), (0.45, 550)])
def test_a_fall_in_one_slice_is_found_after_few_rows(tmp_path: Path, wrong: float, most: int) -> None:
    """The rows of both slices together, half of which are in the one that has become worse."""
    rows = found_after(detectors(tmp_path), [wrong, 0.2], 4_000)
    assert np.isfinite(rows).all()
    assert np.median(rows) <= most
