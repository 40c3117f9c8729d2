"""Concept drift (labels change, inputs do not) and drift of inputs are told apart, from data to words."""

from __future__ import annotations

import numpy as np

from mlspec.monitoring.drift.arrays import Floats
from mlspec.monitoring.drift.budget import Budget
from mlspec.monitoring.drift.column_reference import ColumnReference
from mlspec.monitoring.drift.drift_alarm import RowGroup
from mlspec.monitoring.drift.drift_monitor import DriftMonitor
from mlspec.monitoring.drift.live_rows import LiveRows
from mlspec.monitoring.drift.streams import Streams
from mlspec.monitoring.quality.diagnosis import Diagnosis, diagnose
from mlspec.monitoring.quality.estimated_quality import estimated_accuracy
from mlspec.monitoring.quality.risk_alarm import RiskMonitor


def wrong(x: Floats, flipped: float = 0.0, seed: int = 1) -> Floats:
    """The losses of a model that answers x > 0, where 1 in 10 labels, and those in 0..`flipped`, are the other way."""
    noise = np.random.default_rng(seed).random(len(x)) < 0.1
    losses: Floats = (noise ^ ((x > 0) & (x < flipped))).astype(np.float64)
    return losses


def diagnosis(shift: float, flipped: float, labelled: int) -> Diagnosis:
    draws = np.random.default_rng(0)
    training, live = draws.normal(size=4000), draws.normal(size=4000) + shift
    streams = Streams((ColumnReference.of_numbers("x", training),), 0.02)
    drift, risk = DriftMonitor({"": streams}, Budget.of(1, 90, 1000)), RiskMonitor.of(wrong(training), 0.05, 90_000)
    drift.update(RowGroup(), LiveRows([""] * len(live), np.zeros(len(live)), {"x": live}))
    risk.update(wrong(live[:labelled], flipped, seed=2))
    return diagnose(drift.alarms(), risk.risk() if labelled else None, estimated_accuracy(np.full(len(live), 0.9)))


def test_nothing_has_happened() -> None:
    result = diagnosis(0.0, 0.0, 4000)
    assert (result.cause, result.alarm) == ("unchanged", False)


def test_benign_drift_is_not_an_alarm() -> None:
    """The inputs have moved, and the model is as good as before."""
    result = diagnosis(0.5, 0.0, 4000)
    assert (result.cause, result.alarm) == ("benign drift", False)
    assert result.sentences[0] == "moved: x"
    assert result.sentences[1].startswith("not harmful: ")


def test_concept_drift_is_distinguished_from_input_drift() -> None:
    result = diagnosis(0.0, 1.0, 4000)
    assert (result.cause, result.alarm) == ("concept drift", True)
    assert result.sentences[0] == "the inputs have not moved"
    assert "the same inputs have other labels" in result.sentences[-1]
    assert diagnosis(0.5, 1.0, 4000).cause == "harmful drift"


def test_without_labels_it_is_unknown_with_an_estimate() -> None:
    result = diagnosis(0.5, 1.0, 0)
    assert (result.cause, result.alarm) == ("unknown", True)
    assert result.sentences[1] == "unknown whether it is harmful: no labels"
    assert result.sentences[2].startswith("accuracy 0.900")
    assert "wrong if the same inputs now have other labels" in result.sentences[2]


def test_with_few_labels_more_are_needed() -> None:
    few, none = diagnosis(0.5, 0.0, 20), diagnosis(0.5, 0.0, 0)
    assert few.cause == none.cause == "unknown"
    assert few.help.startswith("add labels of more predictions since the change")
    assert none.help.startswith("add labels to see what the change costs")
