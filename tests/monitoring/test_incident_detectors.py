"""The detector of drift on synthetic incidents, with the traffic of a healthy version beside a new one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlspec.monitoring.drift_state import compared_columns, new_drift_monitor
from mlspec.monitoring.incident_detectors import DriftReplay, QualityReplay
from mlspec.monitoring.incidents import INCIDENTS, replay
from mlspec.monitoring.quality.risk_alarm import RiskMonitor
from mlspec.monitoring.queries.query import ModelShape
from tests.monitoring.watched import Service


def test_the_traffic_of_the_healthy_version_does_not_delay_the_alarm_of_a_bad_canary(tmp_path: Path) -> None:
    model = Service(tmp_path).model
    options = model.options.drift
    assert options is not None
    detector = DriftReplay(lambda: new_drift_monitor(model, options), compared_columns(model, options))
    (bad,) = [incident for incident in INCIDENTS if incident.canary]
    assert detector.rows_until_alarm(bad) == detector.rows_until_alarm(replace(bad, canary=False)) is not None


@pytest.mark.parametrize("wrong", [0.1, 0.6])
def test_labels_that_no_longer_match_raise_an_alarm_whatever_share_was_right_before(wrong: float) -> None:
    """With many classes most predictions may be wrong from the beginning."""
    losses = (np.arange(100) < 100 * wrong).astype(np.float64)
    (flip,) = [incident for incident in INCIDENTS if incident.flipped]
    rows = QualityReplay(lambda: RiskMonitor.of(losses, 0.05, 10_000), losses).rows_until_alarm(flip)
    assert rows is not None
    assert rows < 500


def test_a_model_that_is_almost_always_wrong_cannot_become_worse() -> None:
    losses = (np.arange(100) < 97).astype(np.float64)
    detector = QualityReplay(lambda: RiskMonitor.of(losses, 0.05, 10_000), losses)
    (silent,) = replay((), ModelShape("shop", "classification", ()), 60, [detector]).silent
    assert silent.alert == "quality"
    assert silent.reason == "the loss on the test split is 97% already, and cannot rise by more than 5%, the tolerance"
