from __future__ import annotations

import numpy as np
import pytest

from mlspec.monitoring.drift.arrays import Floats
from mlspec.monitoring.drift.budget import Budget
from mlspec.monitoring.drift.column_reference import ColumnReference
from mlspec.monitoring.drift.drift_alarm import Alarm, RowGroup
from mlspec.monitoring.drift.drift_monitor import DriftMonitor
from mlspec.monitoring.drift.streams import LiveRows, Streams

BUDGET = Budget.of(1, 90, 1000)


def monitor(reference: Floats, tolerance: float = 0.015) -> DriftMonitor:
    """Of number columns, named by their index."""
    columns = tuple(ColumnReference.of_numbers(str(i), column) for i, column in enumerate(reference.T))
    return DriftMonitor({"": Streams(columns, tolerance)}, BUDGET)


def live(values: Floats, first: int = 0) -> LiveRows:
    numbers = np.arange(first, first + len(values))
    return LiveRows(
        [f"id-{n}" for n in numbers], 60.0 * numbers.astype(np.float64), {str(i): c for i, c in enumerate(values.T)}
    )


def fed(values: Floats, cuts: list[int] | None = None) -> DriftMonitor:
    """A monitor of a reference like seed 0, fed with `values` in blocks that end at `cuts`."""
    result = monitor(np.random.default_rng(0).normal(size=(5000, values.shape[1])))
    for start, end in zip([0, *(cuts or [])], [*(cuts or []), len(values)], strict=True):
        result.update(RowGroup(), live(values[start:end], start))
    return result


def shifted(columns: int, rows: int, at: int, shift: float, seed: int = 1) -> Floats:
    """Normal columns, the first of which moves by `shift` standard deviations at row `at`."""
    values = np.random.default_rng(seed).normal(size=(rows, columns))
    values[at:, 0] += shift
    return values


def only(alarms: list[Alarm]) -> Alarm:
    assert len(alarms) == 1, alarms
    return alarms[0]


def test_a_moved_column_is_named_with_its_size_and_since_when() -> None:
    alarm = only(fed(shifted(5, 4000, 2000, 0.5)).alarms())
    assert (alarm.kind, alarm.column, alarm.direction) == ("moved", "0", "up")
    assert abs(alarm.since_row - 2000) < 60
    assert alarm.since_time == alarm.since_row * 60
    assert alarm.effect.low < 0.5 < alarm.effect.high
    assert alarm.effect.low > 0.3
    assert len(alarm.sample) == 20
    assert alarm.sample[-1] == f"id-{alarm.row}" or int(alarm.sample[-1][3:]) > alarm.row - 10


def test_unchanged_data_raises_no_alarm() -> None:
    assert fed(shifted(20, 10_000, 0, 0.0)).alarms() == []


@pytest.mark.parametrize("seed", range(5))
def test_alarms_do_not_depend_on_the_blocks(seed: int) -> None:
    """To the last bit: looking often changes nothing."""
    values = shifted(4, 1500, 700, -0.6, seed)
    values[1100:, 1] *= 3
    values[900:, 2] = np.nan
    cuts = sorted(set(np.random.default_rng(seed).integers(1, 1500, 40).tolist()))
    whole, parts = fed(values), fed(values, cuts)
    assert len(whole.alarms()) == 3
    assert whole.alarms() == parts.alarms()
