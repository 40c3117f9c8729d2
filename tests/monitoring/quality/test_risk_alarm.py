from __future__ import annotations

import json

import numpy as np
import pytest

from mlspec.monitoring.drift.arrays import Floats
from mlspec.monitoring.quality.risk_alarm import RiskMonitor


def losses(rows: int, rate: float, seed: int) -> Floats:
    return (np.random.default_rng(seed).random(rows) < rate).astype(np.float64)


def monitor(tolerance: float = 0.02) -> RiskMonitor:
    return RiskMonitor.of(losses(5000, 0.1, 0), tolerance, budget_rows=10_000)


def test_a_model_that_is_as_good_as_before_raises_no_alarm() -> None:
    for seed in range(1, 21):
        watched = monitor()
        watched.update(losses(3000, 0.1, seed))
        assert watched.risk().state != "harmful"


def test_a_model_that_has_become_worse_is_harmful() -> None:
    watched = monitor()
    watched.update(losses(2000, 0.25, 1))
    risk = watched.risk()
    assert risk.state == "harmful"
    assert risk.words().startswith(
        "harmful: a share of wrong predictions between 20.2% and 27.9% in 2,000 labelled rows; allowed is 14.2%"
    )
    assert watched.alarm_row is not None
    assert watched.alarm_row < 600


def test_a_late_fall_is_not_diluted_by_the_good_rows_before() -> None:
    watched = monitor()
    watched.update(losses(20_000, 0.1, 1))
    watched.update(losses(1000, 0.3, 2))
    assert watched.alarm_row is not None
    assert 20_000 <= watched.alarm_row < 20_500


def test_with_few_labels_it_is_unknown() -> None:
    watched = monitor()
    watched.update(losses(10, 0.1, 1))
    assert watched.risk().state == "unknown"
    assert "more labels are needed" in watched.risk().words()


def test_with_enough_labels_it_is_within_the_tolerance() -> None:
    watched = monitor(tolerance=0.1)
    watched.update(losses(5000, 0.1, 1))
    assert watched.risk().state == "within the tolerance"


@pytest.mark.parametrize("cut", [1, 700])
def test_blocks_and_a_saved_state_change_nothing(cut: int) -> None:
    values = losses(1500, 0.2, 3)
    whole, parts = monitor(), monitor()
    whole.update(values)
    parts.update(values[:cut])
    restored = RiskMonitor.from_json(json.loads(json.dumps(parts.to_json())))
    restored.update(values[cut:])
    assert restored.risk() == whole.risk()
    assert restored.alarm_row == whole.alarm_row
