"""Which columns of a model the detectors compare: those of a text model raise no alarm on texts as in training."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.monitoring.baseline.quantile_grid import QuantileGrid
from mlspec.monitoring.baseline.reference import Reference, TextReference, pack, word_hash
from mlspec.monitoring.drift_state import look_for_drift
from tests.monitoring.references import REFERENCE
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


def test_other_texts_are_told_from_those_of_training(tmp_path: Path) -> None:
    service = Service(tmp_path, reference=with_texts(400))
    service.answer(800, sentence="words that nobody knows")
    model = service.model
    assert model.options.drift is not None
    model.store.seal(service.now)
    columns = {alarm.column for alarm in look_for_drift(model, model.options.drift, service.now).alarms}
    assert columns == {"unseen.sentence", "domain.sentence"}
