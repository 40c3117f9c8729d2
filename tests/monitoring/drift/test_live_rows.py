from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from mlspec.monitoring.drift.budget import Budget
from mlspec.monitoring.drift.drift_alarm import RowGroup
from mlspec.monitoring.drift.drift_monitor import DriftMonitor
from mlspec.monitoring.drift.live_rows import live_rows, vocabularies
from mlspec.monitoring.drift.streams import Streams
from tests.monitoring.references import REFERENCE

START = datetime(2026, 11, 27, tzinfo=UTC)


def batch(rows: int, seed: int, older: float = 0.0) -> pa.RecordBatch:
    """Predictions like REFERENCE; the age may be higher."""
    draws = np.random.default_rng(seed)
    ages = draws.normal(40 + older, 10, rows)
    return pa.RecordBatch.from_pydict(
        {
            "id": [f"{seed}-{i}" for i in range(rows)],
            "time": pa.array([START + timedelta(minutes=i) for i in range(rows)], pa.timestamp("us", "UTC")),
            "version": ["1"] * rows,
            "input.age": [None if draws.random() < 0.02 else float(a) for a in ages],
            "input.town": draws.choice(["Bonn", "Köln", "Trier"], rows, p=[0.6, 0.38, 0.02]).tolist(),
            "input.sentence": ["a word"] * rows,
            "characters.sentence": draws.normal(30, 5, rows).tolist(),
            "words.sentence": draws.normal(6, 1, rows).tolist(),
            "score": draws.normal(0.7, 0.05, rows).tolist(),
            "label": draws.choice(["no", "yes"], rows, p=[0.4, 0.6]).tolist(),
        }
    )


def monitor() -> DriftMonitor:
    return DriftMonitor({"": Streams.of(REFERENCE, 0.015)}, Budget.of(1, 90, 1000))


def test_a_log_like_the_reference_raises_no_alarm() -> None:
    watched = monitor()
    watched.update(RowGroup("1"), live_rows(batch(5000, 0), vocabularies(REFERENCE)))
    assert watched.alarms() == []


def test_a_moved_input_is_named_as_in_the_log() -> None:
    watched = monitor()
    watched.update(RowGroup("1"), live_rows(batch(2000, 1), {}))
    watched.update(RowGroup("1"), live_rows(batch(1000, 2, older=6.0), {}))
    (alarm,) = watched.alarms()
    assert (alarm.column, alarm.kind, alarm.direction) == ("input.age", "moved", "up")
    assert alarm.to_json()["since"] is not None
    assert all(name.startswith(("1-", "2-")) for name in alarm.sample)


def test_a_redacted_column_is_not_missing() -> None:
    rows = live_rows(batch(300, 3), {}, absent=frozenset({"input.age", "input.town"}))
    assert "input.age" not in rows.numbers
    watched = monitor()
    watched.update(RowGroup("1"), rows)
    assert watched.alarms() == []


def test_rows_are_split_by_a_category() -> None:
    rows = live_rows(batch(100, 4), vocabularies(REFERENCE))
    parts = rows.split("input.town")
    assert set(parts) == {"Bonn", "Köln", "Trier"}
    assert sum(len(part) for part in parts.values()) == 100
    assert set(parts["Bonn"].categories["input.town"]) == {"Bonn"}
    assert len(parts["Bonn"].texts["sentence"]) == len(parts["Bonn"])


def test_only_the_chosen_inputs_are_compared() -> None:
    names = [column.name for column in Streams.of(REFERENCE, 0.015, ["town"]).columns]
    assert names == ["input.town", "score", "label"]
