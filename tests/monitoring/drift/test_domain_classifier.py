from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from mlspec.monitoring.baseline.reference import Hashes
from mlspec.monitoring.drift.budget import Budget
from mlspec.monitoring.drift.column_reference import ColumnReference
from mlspec.monitoring.drift.domain_classifier import DomainClassifier
from mlspec.monitoring.drift.drift_alarm import RowGroup
from mlspec.monitoring.drift.drift_monitor import DriftMonitor
from mlspec.monitoring.drift.live_rows import LiveRows
from mlspec.monitoring.drift.streams import Streams

WORDS = np.random.default_rng(0).integers(0, 2**32, 300, dtype=np.uint32)


def texts(count: int, seed: int, favoured: int = 0) -> list[Hashes]:
    """Texts of eight words; `favoured` words are three times as frequent as the others."""
    draws = np.random.default_rng(seed)
    chances = np.where(np.arange(len(WORDS)) < favoured, 3.0, 1.0)
    return [WORDS[draws.choice(len(WORDS), 8, p=chances / chances.sum())] for _ in range(count)]


SAMPLE = texts(600, 1)


def test_texts_like_the_sample_raise_no_alarm() -> None:
    values = DomainClassifier(SAMPLE).values(texts(1200, 2))
    assert abs(np.mean(values) - 0.5) < 0.05


def test_other_texts_are_detected() -> None:
    values = DomainClassifier(SAMPLE).values(texts(600, 3, favoured=60))
    assert np.mean(values[300:]) > 0.65


@pytest.mark.parametrize("cut", [1, 250, 615])
def test_a_restored_classifier_continues(cut: int) -> None:
    live: Sequence[Hashes | None] = [*texts(700, 4, favoured=60), None]
    whole = DomainClassifier(SAMPLE).values(live)
    first, second = DomainClassifier(SAMPLE), DomainClassifier(SAMPLE)
    before = first.values(live[:cut])
    saved = first.to_json()
    second.restore(first.used, [row.tolist() for row in first.turn])
    assert second.to_json() == saved
    assert np.array_equal(np.concatenate([before, second.values(live[cut:])]), whole, equal_nan=True)


def test_a_monitor_bets_on_the_pairs() -> None:
    column = ColumnReference.of_pairs("domain.sentence", len(SAMPLE))
    streams = Streams((column,), 0.015, {"sentence": SAMPLE})
    result = DriftMonitor({"": streams}, Budget.of(1, 90, 1000))
    live = texts(1000, 5, favoured=60)
    for start in (0, 400):
        part = live[start : start + 600]
        rows = LiveRows([str(i) for i in range(len(part))], np.zeros(len(part)), texts={"sentence": part})
        result.update(RowGroup(), rows)
        result.restore(result.to_json())
    (alarm,) = result.alarms()
    assert "is distinguished from the training data" in alarm.words()
    assert alarm.effect.low > 0.5
