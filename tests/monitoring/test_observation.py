"""The state of a served model over its life: quiet, drifting, failing, silent, and with labels."""

from __future__ import annotations

import json
import random
import re
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mlspec.cli.console import Console
from mlspec.cli.monitor_text import show_state
from mlspec.monitoring.baseline.reference import NumberReference, TextReference, ValueReference, pack, word_hash
from mlspec.monitoring.drift_state import look_for_drift
from mlspec.monitoring.label_store import LabelStore
from mlspec.monitoring.monitor_state import MonitorState
from mlspec.monitoring.observation import Observation, Observer
from mlspec.monitoring.panel_data import ViewedRange
from mlspec.monitoring.reference_files import store_reference
from mlspec.monitoring.watched_model import WatchedModel
from mlspec.records.bundle_signature import SignatureOutput
from mlspec.report.monitor_page import monitor_page
from mlspec.sections.monitor_drift import Drift
from tests.monitoring.log_lines import DAY, SIGNATURE, line, segment
from tests.monitoring.references import REFERENCE, grid
from tests.monitoring.watched import Service


def titles(observation: Observation) -> list[str]:
    return [alarm.title for alarm in observation.state.alarms]


def answers(observation: Observation) -> dict[str, tuple[str, str]]:
    return {signal.question: (signal.level, signal.answer) for signal in observation.state.signals}


def test_a_quiet_service_has_no_alarm(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.answer(1500)
    seen = service.observe()
    assert titles(seen) == []
    assert seen.changes.events == ()
    assert answers(seen)["Is it up?"] == ("good", "0% errors")
    assert answers(seen)["Has it moved?"] == ("good", "no")
    assert answers(seen)["Is it still right?"][0] == "unknown"
    panels = {panel.id: panel for panel in seen.state.panels}
    assert [line.name for line in panels["traffic"].lines] == ["7"]
    assert panels["versions"].cells[0][:2] == ("7", 1500.0)
    assert {feature.name: feature.state for feature in seen.state.features}["age"] == "good"


def test_the_answers_have_the_numbers_of_the_panels(tmp_path: Path) -> None:
    """Also where requests are sampled, which gives a record more weight, and where a path is unknown."""
    service = Service(tmp_path, alerts={"error_rate": "> 0.9"})
    service.answer(97)
    service.fail(1, weight=10.0, latency_ms=50.0)
    service.fail(40, status=404, latency_ms=900.0)
    state = service.observe().state
    (row,) = next(panel for panel in state.panels if panel.id == "versions").cells
    heads = next(panel for panel in state.panels if panel.id == "versions").heads
    version = dict(zip(heads, row, strict=True))
    assert (version["Requests"], version["p95"]) == (107.0, 50.0)
    signals = {signal.question: signal for signal in state.signals}
    assert signals["Is it up?"].answer == "9.3% errors"
    assert signals["Is it up?"].detail.startswith("107 requests, the last 50 s ago")
    assert signals["Is it fast?"].answer == "50 ms"


def test_a_shift_is_reported_once_however_often_it_is_measured(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.answer(600)
    assert titles(service.observe()) == []
    for _ in range(3):
        service.answer(150, age=46)
        service.observe()
    first, second = service.observe(), service.observe()
    assert titles(first) == titles(second) == ["age moved (version 7)"]
    alarm = second.state.alarms[0]
    assert abs((alarm.since - DAY).total_seconds() - 600) < 250
    assert "unknown whether it is harmful: no labels" in alarm.text.lower()
    assert 1 <= len(alarm.examples) <= 20
    assert dict(alarm.examples[0]).keys() >= {"time", "age", "town", "predicted label"}
    assert {event.key for event in second.changes.events} == {event.key for event in first.changes.events}


def test_predictions_that_arrive_after_later_ones_were_compared_are_counted_and_reported(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.count = 90_000  # the late ones are of another day than the last look too
    service.answer(300)
    assert service.observe().state.notes == ()
    on_time, service.count = service.count, 86_300
    service.answer(200, age=60)  # a server that was cut off: 100 of them are of the day before
    service.count = on_time + 60
    service.answer(50)
    late = "200 predictions arrived after later ones were compared: in the numbers, but not in the evidence of the detectors"
    first, second = service.observe(), service.observe()
    assert (
        first.state.notes
        == second.state.notes
        == (f"{late}, because their ids do not show whether they were compared",)
    )
    assert titles(second) == []
    panels = {panel.id: panel for panel in service.observe(timedelta(days=2)).state.panels}
    assert panels["versions"].cells[0][:2] == ("7", 550.0)
    service.count = on_time - 100
    service.answer(1)
    service.count = on_time + 200
    assert service.observe().state.notes[0].startswith("201 predictions")


def test_an_alarm_that_is_over_is_cleared_with_an_event(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.answer(300)
    service.answer(400, age=52)
    assert titles(service.observe()) == ["age moved (version 7)"]
    service.answer(4000)
    cleared = service.observe()
    assert titles(cleared) == []
    assert [(event.state, event.title) for event in cleared.changes.events] == [("cleared", "age moved (version 7)")]


def test_a_bad_canary_is_not_hidden_by_the_traffic_of_the_other_version(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.answer(400)
    service.answer(30, version="8")
    service.fail(10, version="8")
    seen = service.observe()
    assert "Error rate (version 8)" in titles(seen)
    assert "Error rate (version 7)" not in titles(seen)
    assert answers(seen)["Is it up?"][0] == "bad"
    assert [version for _, version in seen.state.deployments] == ["8"]


def test_no_traffic_is_not_zero_errors(tmp_path: Path) -> None:
    service = Service(tmp_path)
    assert answers(service.observe())["Is it up?"] == ("unknown", "no requests")
    silent = Service(tmp_path / "silent", alerts={"silence": "1h"})
    silent.answer(10)
    silent.count += 7200
    seen = silent.observe(timedelta(hours=1))
    assert titles(seen) == ["No requests"]
    assert answers(seen)["Is it up?"] == ("bad", "no requests")


def add(service: Service, first: int, rows: int, right: float) -> None:
    LabelStore(service.model.store).add(pa.Table.from_pylist(service.labels(first, rows, right)), service.now)


def test_labels_without_a_loss_of_quality_turn_the_alarm_into_a_note(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.answer(300)
    service.answer(600, age=50)
    assert titles(service.observe()) == ["age moved (version 7)"]
    labels = service.model.store.query("SELECT request_id, label FROM predictions").to_pylist()
    other = {"yes": "no", "no": "yes"}
    true = [row | ({} if i % 5 else {"label": other[row["label"]]}) for i, row in enumerate(labels)]
    LabelStore(service.model.store).add(pa.Table.from_pylist(true), service.now)
    seen = service.observe()
    assert titles(seen) == []
    assert answers(seen)["Has it moved?"] == ("warn", "1 column")
    assert answers(seen)["Is it still right?"][0] == "good"


def test_right_predictions_before_a_change_do_not_hide_that_it_is_harmful(tmp_path: Path) -> None:
    """The loss over all labels is within the tolerance; since the change it may not be."""
    service = Service(tmp_path)
    service.answer(2000)
    service.answer(250, age=50)
    labels = service.model.store.query("SELECT request_id, label FROM predictions ORDER BY time").to_pylist()
    other = {"yes": "no", "no": "yes"}
    wrong = [i % 5 == 0 if i < 2000 else i % 4 == 0 for i in range(2250)]
    true = [row | ({"label": other[row["label"]]} if no else {}) for row, no in zip(labels, wrong, strict=True)]
    LabelStore(service.model.store).add(pa.Table.from_pylist(true), service.now)
    seen = service.observe()
    assert titles(seen) == ["age moved (version 7)"]
    assert [each.cause for each in seen.state.diagnoses] == ["unknown"]
    assert "since 2026-11-27 00:3" in seen.state.diagnoses[0].sentences[1]


def test_an_empty_store_says_who_writes_to_it(tmp_path: Path) -> None:
    service = Service(tmp_path)
    assert service.observe().state.notes == (
        "no prediction is stored in .mlspec/monitor yet: `mlspec serve` writes there, and so does the container of "
        "compose.yaml if its user may. For predictions that were written elsewhere: `mlspec monitor pull`",
    )
    service.count = 60
    service.answer(1)
    assert service.observe().state.notes == ()


def test_predictions_that_a_server_dropped_are_reported_for_the_viewed_range(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.answer(60)
    lines = [
        {"time": (service.now - timedelta(hours=ago)).isoformat(), "dropped": {reason: count}}
        for ago, reason, count in ((1, "queue_full", 1200), (2, "write_error", 4), (3, "queue_full", 1), (9, "queue_full", 7))
    ]  # fmt: skip
    for each in lines:
        path = service.model.store.folders.dropped / str(each["time"])[:10] / "host-1-1.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(json.dumps(each) + "\n{torn\n[]\n")
    assert service.observe().state.notes == (
        "1,205 predictions of this range are not in the log (1,201: the queue was full, 4: they could not be written), "
        "and in none of the numbers. The output of the server has the cause",
    )


def test_predictions_that_elasticsearch_does_not_have_are_reported(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.answer(60)
    folders = service.model.store.folders
    path = folders.dropped / f"{service.now:%Y-%m-%d}" / "elasticsearch-1-a.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps(
            {"time": (service.now - timedelta(minutes=1)).isoformat(), "elasticsearch": {"refused": 2, "dropped": 1500}}
        )
    )
    spooled = service.now - timedelta(hours=1)
    folders.spool.mkdir(parents=True)
    (folders.spool / f"{int(spooled.timestamp()) * 10**9:020d}-1-0.jsonl").write_text("{}\n")
    state = service.observe().state
    assert state.dropped == {"elasticsearch": {"dropped": 1500, "refused": 2}}
    assert state.notes == (
        "1,502 predictions of this range are not in the data stream of Elasticsearch (1,500: spool and memory were "
        "full, 2: Elasticsearch refused them), so Kibana does not show them. The numbers here have them if the log does",
        f"predictions since {spooled:%Y-%m-%d %H:%M} UTC wait for Elasticsearch, which does not accept them. The output "
        "of the server has the cause",
    )


def test_labels_that_change_while_the_inputs_do_not_are_concept_drift(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.answer(1200)
    add(service, 1, 1200, right=0.2)
    seen = service.observe()
    assert [alarm.group for alarm in seen.state.alarms] == ["harmful"]
    assert "concept drift" in seen.state.alarms[0].text
    assert answers(seen)["Is it still right?"][0] == "bad"


def test_predictions_that_are_not_compared_yet_have_not_stayed_as_they_were(tmp_path: Path) -> None:
    """Those that `monitor pull` brings are compared 15 minutes after their time, because more of that time may come."""
    service = Service(tmp_path)
    (tmp_path / "state" / "pull.json").write_text("{}")
    service.answer(600)
    add(service, 1, 600, right=0.2)
    seen = service.observe()
    assert answers(seen)["Has it moved?"] == ("unknown", "not compared yet")
    (alarm,) = seen.state.alarms
    assert alarm.text.startswith("harmful: ")
    assert "unknown whether the inputs have moved: predictions are compared 5 seconds after" in alarm.text
    assert [each.cause for each in seen.state.diagnoses] == ["harmful"]
    service.answer(600)  # ten minutes later
    seen = service.observe()
    assert answers(seen)["Has it moved?"] == ("good", "no")
    assert seen.state.alarms[0].text.startswith("concept drift: ")


def test_without_drift_detection_it_is_unknown_whether_the_inputs_have_moved(tmp_path: Path) -> None:
    service = Service(tmp_path, drift=None)
    service.answer(1200)
    seen = service.observe()
    assert "Has it moved?" not in answers(seen)
    assert [each.cause for each in seen.state.diagnoses] == ["not compared"]
    add(service, 1, 1200, right=0.2)
    seen = service.observe()
    assert "unknown whether the inputs have moved: `monitor.drift` is not set" in seen.state.alarms[0].text
    assert [each.title for each in seen.state.diagnoses] == ["harmful, unknown whether the inputs have moved"]


PRICES = REFERENCE.model_copy(
    update={
        "digest": "fedcba9876543210",
        "classes": None,
        "values": ValueReference(value=grid(6, 1000, 300_000, 90_000), error=grid(7, 1000, 20_000, 2_000)),
    }
)


def test_a_regression_with_labels_that_come_later(tmp_path: Path) -> None:
    """Errors are in the unit of the target; the labels of the first half are near, of the second half far away."""
    service = Service(tmp_path, reference=PRICES)
    service.answer(500)
    seen = service.observe()
    assert titles(seen) == []
    assert answers(seen)["Is it still right?"] == ("unknown", "no labels")
    rows = service.model.store.query("SELECT request_id, value FROM predictions ORDER BY time").to_pylist()
    store = LabelStore(service.model.store)
    store.add(pa.Table.from_pylist([row | {"value": row["value"] + 20_000.0} for row in rows[:250]]), service.now)
    good = service.observe()
    assert answers(good)["Is it still right?"] == ("good", "20,000")
    assert good.state.label_bias.startswith("the labelled rows are like the others (mean predicted value 298,154 of")
    (signal,) = (signal for signal in good.state.signals if signal.question == "Is it still right?")
    assert "mean absolute error 20,000 (20,000 to 20,000) of 250 labelled rows" in signal.detail
    store.add(pa.Table.from_pylist([row | {"value": row["value"] + 150_000.0} for row in rows[250:]]), service.now)
    bad = service.observe()
    assert titles(bad) == ["Mean absolute error is worse than on the test split (version 7)"]
    sentences = " ".join(bad.state.diagnoses[0].sentences)
    assert re.search(
        r"harmful: a mean absolute error between \d\d,\d{3} and \d\d,\d{3} in 500 labelled rows", sentences
    )
    assert "85,000" in monitor_page(bad.state)


@pytest.mark.parametrize("factor", [1.02, 4.0])
def test_a_regression_that_predicts_almost_the_mean_can_become_worse(tmp_path: Path, factor: float) -> None:
    """Its errors are far larger than the deviation of its predictions, and grow by 2 % or to four times as much."""
    values = ValueReference(value=grid(6, 1000, 300_000, 2_000), error=grid(7, 1000, 50_000, 10_000))
    service = Service(tmp_path, drift=None, reference=PRICES.model_copy(update={"values": values}))
    service.answer(500)
    rows = service.model.store.query("SELECT request_id, value FROM predictions").to_pylist()
    worse = [row | {"value": row["value"] + 50_000.0 * factor} for row in rows]
    LabelStore(service.model.store).add(pa.Table.from_pylist(worse), service.now)
    expected = ["Mean absolute error is worse than on the test split (version 7)"] if factor > 2 else []
    assert titles(service.observe()) == expected

    saved = json.loads((service.model.state / "quality.json").read_text())
    before = {key: value for key, value in saved.items() if key != "losses"}  # by an earlier mlspec
    (service.model.state / "quality.json").write_text(json.dumps(before))
    assert titles(service.observe()) == expected


def test_a_damaged_state_is_reported_and_created_again(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.answer(300)
    service.answer(400, age=52)
    service.observe()
    (tmp_path / "state" / "drift.json").write_text("{", encoding="utf-8")
    seen = service.observe()
    assert titles(seen) == ["age moved (version 7)"]
    assert any("could not be read" in note for note in seen.state.notes)


def test_damaged_detectors_of_quality_take_all_labels_again(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.answer(1200)
    add(service, 1, 1200, right=0.2)
    service.observe()
    file = tmp_path / "state" / "quality.json"
    saved = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(saved | {"versions": {"7": "{"}}), encoding="utf-8")
    assert [alarm.group for alarm in service.observe().state.alarms] == ["harmful"]


def test_a_version_with_another_schema_does_not_disturb_the_others(tmp_path: Path) -> None:
    """Its text was a number, one input has gone and one is new, and its labels are others."""
    service = Service(tmp_path)
    service.answer(400)
    others = [
        line(
            9000 + number,
            service.now,
            version="6",
            inputs={"age": "young", "shoe": 42.0},
            prediction={"label": "maybe", "score": 0.9, "probabilities": {"maybe": 0.9, "never": 0.1}},
        )
        for number in range(100)
    ]
    segment(tmp_path, others, "other-1-1-1")
    state = service.observe().state
    assert {(view.version, view.rows) for view in state.quality if not view.slice} == {("6", 100), ("7", 400)}
    assert not [alarm for alarm in state.alarms if alarm.facts.version == "7"]
    assert {view.version for view in state.measures if view.label} >= {"7"}
    assert monitor_page(state)


def test_an_alarm_about_a_version_ends_when_another_one_answers(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.answer(300)
    service.answer(400, age=52)
    assert titles(service.observe()) == ["age moved (version 7)"]
    service.answer(30, version="8")
    assert titles(service.observe()) == ["age moved (version 7)"]
    service.answer(30, version="8")
    seen = service.observe()
    assert titles(seen) == []
    assert [(event.state, event.title) for event in seen.changes.events] == [("cleared", "age moved (version 7)")]
    assert answers(seen)["Has it moved?"] == ("good", "no")


def test_each_version_is_compared_with_the_data_of_its_own_training(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.answer(300)
    service.answer(400, age=52)
    assert titles(service.observe()) == ["age moved (version 7)"]
    columns = {**REFERENCE.columns, "age": NumberReference(missing=100, values=grid(0, 4900, 52, 10))}
    later = REFERENCE.model_copy(update={"columns": columns, "digest": "fedcba9876543210"})
    store_reference(service.model.state, "8", later)
    store_reference(service.model.state, "7", REFERENCE)
    for _ in range(10):
        service.answer(60, age=52, version="8")
        service.answer(20, age=52)
    assert titles(service.observe()) == ["age moved (version 7)"]


@pytest.mark.parametrize(("other", "expected"), [(False, set()), (True, {("domain.sentence", "moved")})])
def test_texts_of_another_domain_are_found_by_the_classifier(
    tmp_path: Path, other: bool, expected: set[tuple[str, str]]
) -> None:
    draw, words = random.Random(0), ("red", "blue", "green", "small", "large", "car", "house", "tree")
    known = [f"the {draw.choice(words)} {draw.choice(words)} is here" for _ in range(200)]
    service = Service(tmp_path)
    (tmp_path / "state" / f"reference-{REFERENCE.digest}.json").unlink()
    sentence = TextReference(
        missing=0,
        characters=grid(1, 5000, 24, 2),
        words=grid(2, 5000, 5, 1),
        vocabulary=pack({word_hash(word) for text in known for word in text.split()}),
        sample=tuple(pack((word_hash(word) for word in text.split()), ordered=True) for text in known),
    )
    columns = {**REFERENCE.columns, "sentence": sentence}
    store_reference(service.model.state, "7", REFERENCE.model_copy(update={"columns": columns}))
    options = Drift.model_validate({"traffic": "1000 per 1d", "columns": ["sentence"]})
    order = "here is the {} {}" if other else "the {} {} is here"
    lines = [
        line(number, inputs={"sentence": order.format(draw.choice(words), draw.choice(words))},
             lengths={"sentence": {"characters": draw.gauss(24, 2), "words": draw.gauss(5, 1)}},
             prediction={"label": draw.choice(["no", "yes", "yes"]), "score": draw.gauss(0.7, 0.05)})
        for number in range(400)
    ]  # fmt: skip
    segment(tmp_path, lines)
    look = look_for_drift(service.model, options, DAY + timedelta(hours=1))
    assert {(alarm.column, alarm.kind) for alarm in look.alarms} == expected


def test_a_regression_is_measured_with_labels_and_without_them_the_reason_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = ValueReference(value=grid(6, mean=3.5), error=grid(7))
    reference = REFERENCE.model_copy(update={"classes": None, "values": values})
    service = Service(tmp_path, reference=reference)
    price = SIGNATURE.model_copy(update={"task": "regression", "output": SignatureOutput(name="price")})
    model = WatchedModel("shop", "", service.options, tmp_path / "artifacts", tmp_path, price)
    draws = np.random.default_rng(0)
    predicted = [float(value) for value in draws.normal(3.5, 1, 200)]
    segment(tmp_path, [line(number, prediction={"value": value}) for number, value in enumerate(predicted)])
    now = DAY + timedelta(minutes=5)

    def state() -> MonitorState:
        return Observer(model, now, ViewedRange(now - timedelta(hours=1), now)).observe().state

    right = next(signal for signal in state().signals if signal.question == "Is it still right?")
    assert (right.level, right.answer) == ("unknown", "no labels")
    why = "what is expected without them is not known for version 7: its reference has no model of its errors"
    assert why in right.detail
    labels = [{"request_id": f"r{number}", "label": value + 0.25} for number, value in enumerate(predicted[:100])]
    LabelStore(model.store).add(pa.Table.from_pylist(labels), now)
    labelled = state()
    assert labelled.quality[0].value == pytest.approx(0.25)
    why = "What is expected without labels is not known for version 7: its reference has no model of its errors"
    show_state(Console(), labelled)
    assert why in " ".join(capsys.readouterr().out.split())
    assert why in monitor_page(labelled)
