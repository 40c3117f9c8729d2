"""Which columns of a model the detectors compare: those of a text model raise no alarm on texts as in training."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from mlspec.errors import UsageError
from mlspec.monitoring.baseline.quantile_grid import QuantileGrid
from mlspec.monitoring.baseline.reference import (
    ImageReference,
    NumberReference,
    Reference,
    TextReference,
    pack,
    word_hash,
)
from mlspec.monitoring.drift_state import look_for_drift, new_drift_monitor
from mlspec.monitoring.row_slices import definition
from mlspec.monitoring.taken_rows import TakenRows
from mlspec.monitoring.watched_model import WatchedModel
from mlspec.records.bundle_signature import BundleSignature, SignatureGraph, SignatureInput, SignatureOutput
from mlspec.sections.monitor import Monitor
from mlspec.sections.monitor_slice import LiveSlice
from tests.monitoring.log_lines import DAY, line, segment
from tests.monitoring.references import REFERENCE, grid
from tests.monitoring.watched import Service

WORDS = ("as", "in", "training")


def with_texts(sample: int) -> Reference:
    """The texts of `Service` in the reference, and `sample` of them as word hashes."""
    known = REFERENCE.columns["sentence"]
    assert isinstance(known, TextReference)
    text = TextReference(
        missing=0,
        characters=known.characters,
        words=known.words,
        vocabulary=pack(map(word_hash, WORDS)),
        unseen=QuantileGrid.of([0.0] * sample),
        sample=tuple(pack(map(word_hash, WORDS), ordered=True) for _ in range(sample)),
    )
    return REFERENCE.model_copy(update={"columns": {**REFERENCE.columns, "sentence": text}})


@pytest.mark.parametrize("sample", [5, 400])
@pytest.mark.parametrize("log", [{}, {"columns": {"sentence": "hashed"}}, {"columns": {"sentence": "redacted"}}])
def test_texts_as_in_training_raise_no_alarm(tmp_path: Path, sample: int, log: dict[str, object]) -> None:
    service = Service(tmp_path, reference=with_texts(sample), log=log)
    service.answer(800)
    model = service.model
    assert model.options.drift is not None
    model.store.seal()
    assert [alarm.column for alarm in look_for_drift(model, model.options.drift, service.now).alarms] == []


def test_other_texts_are_distinguished_from_those_of_training(tmp_path: Path) -> None:
    service = Service(tmp_path, reference=with_texts(400))
    service.answer(800, sentence="words that nobody knows")
    model = service.model
    assert model.options.drift is not None
    model.store.seal()
    columns = {alarm.column for alarm in look_for_drift(model, model.options.drift, service.now).alarms}
    assert columns == {"unseen.sentence", "domain.sentence"}


def test_a_slice_that_differs_from_the_rest_raises_no_alarm_until_it_changes(tmp_path: Path) -> None:
    """All rows of Trier are older than those of the other towns, in training as live."""
    old = NumberReference(missing=0, values=grid(9, 500, 80, 10))
    reference = REFERENCE.model_copy(update={"sliced": ("town",), "slices": {"town=Trier": {"age": old}}})
    service = Service(tmp_path, reference=reference, drift={"slices": ["town"]})
    model = service.model
    options = model.options.drift
    assert options is not None

    def rows(number: int, age: float) -> list[dict[str, Any]]:
        draws = np.random.default_rng(number)
        return [
            line(number + i, inputs={"age": draws.normal(age, 10), "town": "Trier", "sentence": "as"})
            for i in range(400)
        ]

    monitor = new_drift_monitor(model, options)
    for first, age, alarms in ((0, 80.0, set[str]()), (400, 95.0, {"input.age"})):
        segment(tmp_path, rows(first, age), f"host-1-{first}-0")
        model.store.seal()
        look = look_for_drift(model, options, DAY + timedelta(seconds=first + 405))
        assert {alarm.column for alarm in look.alarms if alarm.group.slice} == alarms
    assert set(monitor.slices[""]) == {"town=Trier"}


def test_texts_that_change_in_one_slice_raise_its_alarm(tmp_path: Path) -> None:
    """A tenth of the rows: among all rows the change is not found yet."""
    lengths = QuantileGrid.of(np.random.default_rng(3).normal(30, 5, 500))
    text = TextReference(missing=0, characters=lengths, words=lengths, unseen=QuantileGrid.of([0.0] * 300))
    reference = with_texts(5).model_copy(update={"sliced": ("town",), "slices": {"town=Trier": {"sentence": text}}})
    service = Service(tmp_path, reference=reference, drift={"slices": ["town"]})
    model = service.model
    options = model.options.drift
    assert options is not None
    rows = [
        line(i, inputs={"age": 40.0, "town": town, "sentence": sentence})
        for i in range(300)
        for town, sentence in [("Bonn", "as in training") if i % 10 else ("Trier", "what nobody knows")]
    ]
    segment(tmp_path, rows, "host-1-0-0")
    model.store.seal()
    look = look_for_drift(model, options, DAY + timedelta(seconds=305))
    assert "unseen.sentence" in {alarm.column for alarm in look.alarms if alarm.group.slice == "town=Trier"}


def ages(number: int, old: float) -> list[dict[str, Any]]:
    """600 rows; the shorter half of the texts has people of this age."""
    draws = np.random.default_rng(number)
    return [
        line(
            number + i,
            inputs={"age": draws.normal(40 if i % 2 else old, 10), "town": "Bonn", "sentence": "as"},
            lengths={"sentence": {"characters": 30 if i % 2 else 5, "words": 1}},
        )
        for i in range(600)
    ]


SHORT = LiveSlice(column="sentence", by="length", bins=[20])
YOUNG = LiveSlice(where="age < 1000")


def sliced(**slices: LiveSlice) -> Reference:
    """Rows of each slice are as all rows."""
    age = {"age": REFERENCE.columns["age"]}
    names = {"short": ("<20", ">=20"), "young": ("yes", "no")}
    return REFERENCE.model_copy(
        update={
            "sliced": tuple(definition(name, how) for name, how in slices.items()),
            "slices": {f"{name}={value}": age for name in slices for value in names[name]},
        }
    )


def test_live_rows_are_divided_by_a_length_and_a_condition(tmp_path: Path) -> None:
    declared = {"short": SHORT.model_dump(), "young": YOUNG.model_dump()}
    service = Service(tmp_path, reference=sliced(short=SHORT, young=YOUNG), drift={"slices": declared})
    model = service.model
    assert model.options.drift is not None
    segment(tmp_path, ages(0, old=60), "host-1-0-0")
    model.store.seal()
    look = look_for_drift(model, model.options.drift, DAY + timedelta(seconds=605))
    moved = {alarm.group.slice for alarm in look.alarms if alarm.column == "input.age"}
    assert moved == {"", "short=<20", "young=yes"}
    assert {score.group.slice for score in look.scores} == {"", "short=<20", "short=>=20", "young=yes"}


def test_the_detector_of_a_slice_with_another_definition_starts_again(tmp_path: Path) -> None:
    for edge, begins_again in ((20.0, False), (20.0, False), (25.0, True)):
        how = LiveSlice(column="sentence", by="length", bins=[edge])
        service = Service(tmp_path, reference=sliced(short=how), drift={"slices": {"short": how.model_dump()}})
        if not service.model.store.query("SELECT 1 FROM predictions").num_rows:
            segment(tmp_path, ages(0, old=60), "host-1-0-0")
        model = service.model
        assert model.options.drift is not None
        look = look_for_drift(model, model.options.drift, DAY + timedelta(seconds=605))
        assert ("short=<20" in {alarm.group.slice for alarm in look.alarms}) is not begins_again
        assert "" in {alarm.group.slice for alarm in look.alarms}


def test_a_condition_that_is_not_sql_names_its_slice(tmp_path: Path) -> None:
    how = LiveSlice(where="agee > 3")
    service = Service(tmp_path, reference=sliced(young=how), drift={"slices": {"young": how.model_dump()}})
    service.answer(30)
    with pytest.raises(UsageError, match=r"monitor.drift.slices.young: .*agee"):
        service.observe()


def test_slices_of_hashes_are_mentioned(tmp_path: Path) -> None:
    log = {"columns": {"town": "hashed"}}
    service = Service(tmp_path, log=log, drift={"slices": ["town"]})
    assert any("not compared" in note and note.endswith("town") for note in service.observe().state.notes)


PHOTOS = BundleSignature(
    name="photos",
    task="classification",
    inputs=(SignatureInput(name="photo", type="image"),),
    output=SignatureOutput(labels=("no", "yes")),
    graph=SignatureGraph(inputs=("x",), output="logits"),
)


@pytest.mark.parametrize(
    ("mean", "contrast", "score", "alarms"),
    [
        (0.5, 0.2, 0.7, set()),
        (0.6, 0.2, 0.7, {"mean.photo"}),
        (0.5, 0.1, 0.7, {"contrast.photo"}),
        (0.5, 0.2, 0.6, {"score"}),
    ],
)
def test_images_that_are_darker_or_blurred_or_less_sure_raise_an_alarm(
    tmp_path: Path, mean: float, contrast: float, score: float, alarms: set[str]
) -> None:
    photo = ImageReference(missing=0, mean=grid(6, 5000, 0.5, 0.1), contrast=grid(7, 5000, 0.2, 0.05))
    reference = REFERENCE.model_copy(update={"columns": {"photo": photo}})
    Service(tmp_path, reference=reference)
    options = Monitor.model_validate({"drift": {"traffic": "1000 per 1d"}})
    model = WatchedModel("photos", "", options, tmp_path / "artifacts", tmp_path, PHOTOS)
    draws = np.random.default_rng(0)
    rows = []
    for number in range(1500):
        sure, label = float(np.clip(draws.normal(score, 0.05), 0.5, 1)), "yes" if draws.random() < 0.6 else "no"
        pixels = {"digest": "x", "mean": draws.normal(mean, 0.1), "contrast": draws.normal(contrast, 0.05)}
        answer = {"label": label, "score": sure, "probabilities": {"no": 0.5, "yes": 0.5}}
        rows.append(line(number, inputs={}, lengths={}, images={"photo": pixels}, prediction=answer))
    segment(tmp_path, rows, "host-1-0-0")
    assert options.drift is not None
    look = look_for_drift(model, options.drift, DAY + timedelta(seconds=1505))
    assert {alarm.column for alarm in look.alarms} == alarms


def test_a_carried_reference_without_slices_is_mentioned(tmp_path: Path) -> None:
    service = Service(tmp_path, drift={"slices": ["town"]})
    assert any("slices are not compared" in note for note in service.observe().state.notes)


def two_servers(number: int, old: float, folder: Path, behind: timedelta) -> None:
    """300 rows of each of two servers in the same 300 seconds, of which the clock of the second is behind."""
    draws = np.random.default_rng(number)
    for process, late in (("a" * 10, timedelta(0)), ("b" * 10, behind)):
        rows = []
        for second in range(number, number + 300):
            counter = f"{0x800000 + second:06x}"
            inputs = {"age": draws.normal(old if late else 40, 10), "town": "Bonn", "sentence": "as"}
            time = DAY + timedelta(seconds=second) - late
            rows.append(line(second, time, id=f"{0:012x}7000{counter}{process}", inputs=inputs))
        segment(folder, rows, f"{process}-1-{number}-0")


def test_rows_of_a_server_whose_clock_is_always_behind_reach_the_evidence(tmp_path: Path) -> None:
    """Its inputs move, those of the other server do not. Each row is taken once, in the order of arrival."""
    service = Service(tmp_path)
    model = service.model
    options = model.options.drift
    assert options is not None
    taken = []
    for number, old in ((0, 40.0), (300, 60.0), (600, 60.0), (600, 60.0)):
        if number + 300 > len(taken) * 300:
            two_servers(number, old, tmp_path, timedelta(hours=1))
        look = look_for_drift(model, options, DAY + timedelta(seconds=number + 306))
        taken.append(look.rows)
        assert ("input.age" in {alarm.column for alarm in look.alarms}) is (number > 0)
    assert taken == [600, 600, 600, 0]
    assert (look.behind, look.skipped) == (600, 0)  # the first look has no earlier one


def test_a_clock_that_is_set_back_and_corrected_compares_no_row_twice(tmp_path: Path) -> None:
    """The rows that arrived meanwhile are compared: with the look of the early clock, or after its correction."""
    service = Service(tmp_path / "set back")
    alone = Service(tmp_path / "alone")
    options = service.model.options.drift
    assert options is not None
    taken = []
    for number, clock in ((0, 306), (300, 106), (300, 606), (300, 606), (600, 906)):
        if number + 300 > len(list((service.folder / "log").rglob("a*.jsonl"))) * 300:
            for each in (service, alone):
                two_servers(number, 60.0, each.folder, timedelta(0))
        taken.append(look_for_drift(service.model, options, DAY + timedelta(seconds=clock)).rows)
    assert taken == [600, 0, 600, 0, 600]
    once = look_for_drift(alone.model, options, DAY + timedelta(seconds=906))
    assert look_for_drift(service.model, options, DAY + timedelta(seconds=906)).scores == once.scores


def test_rows_of_a_state_that_does_not_know_what_it_took_are_counted_and_later_ones_taken(tmp_path: Path) -> None:
    service = Service(tmp_path)
    model = service.model
    options = model.options.drift
    assert options is not None
    two_servers(0, 40.0, tmp_path, timedelta(hours=1))
    look_for_drift(model, options, DAY + timedelta(seconds=306))
    state = model.state / "drift.json"
    earlier = json.loads(state.read_text())
    del earlier["taken"]
    state.write_text(json.dumps(earlier))
    counts = []
    for number in (300, 600):
        two_servers(number, 40.0, tmp_path, timedelta(hours=1))
        look = look_for_drift(model, options, DAY + timedelta(seconds=number + 306))
        counts.append((look.rows, look.skipped, look.behind))
    assert counts == [(300, 300, 0), (600, 300, 300)]


def test_of_more_processes_than_are_remembered_unknown_ones_are_not_taken_again() -> None:
    rows = [(f"{number:010x}", "000800001", DAY + timedelta(seconds=number)) for number in range(5)]
    table = pa.table(dict(zip(("process", "counter", "time"), zip(*rows, strict=True), strict=True)))
    taken = TakenRows().and_then(table, DAY, most=3)
    assert (len(taken.last), taken.complete, rows[0][0] in taken.last) == (3, False, False)
    with duckdb.connect() as connection:
        id = "CAST('00000000-0000-7000-8000-02' || '{}' AS UUID)"
        sql = f"SELECT {taken.others()} FROM (SELECT {{}} AS id) p"
        new = [
            connection.sql(sql.format(id.format(process))).limit(1).fetchall() for process in (rows[0][0], rows[-1][0])
        ]
    assert new == [[(False,)], [(True,)]]
    forgotten = taken.and_then(table.slice(0, 0), DAY + timedelta(seconds=3))
    assert list(forgotten.last) == [rows[-2][0], rows[-1][0]]
