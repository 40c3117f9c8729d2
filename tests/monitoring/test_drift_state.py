"""Which columns of a model the detectors compare: those of a text model raise no alarm on texts as in training."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlspec.monitoring.baseline.quantile_grid import QuantileGrid
from mlspec.monitoring.baseline.reference import NumberReference, Reference, TextReference, pack, word_hash
from mlspec.monitoring.drift_state import look_for_drift, new_drift_monitor
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
    model.store.seal(service.now)
    assert [alarm.column for alarm in look_for_drift(model, model.options.drift, service.now).alarms] == []


def test_other_texts_are_distinguished_from_those_of_training(tmp_path: Path) -> None:
    service = Service(tmp_path, reference=with_texts(400))
    service.answer(800, sentence="words that nobody knows")
    model = service.model
    assert model.options.drift is not None
    model.store.seal(service.now)
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
        model.store.seal(DAY)
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
    model.store.seal(DAY)
    look = look_for_drift(model, options, DAY + timedelta(seconds=305))
    assert "unseen.sentence" in {alarm.column for alarm in look.alarms if alarm.group.slice == "town=Trier"}


def test_a_carried_reference_without_slices_is_mentioned(tmp_path: Path) -> None:
    service = Service(tmp_path, drift={"slices": ["town"]})
    assert any("slices are not compared" in note for note in service.observe().state.notes)
