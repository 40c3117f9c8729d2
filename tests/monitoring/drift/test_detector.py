from __future__ import annotations

import numpy as np

from mlspec.monitoring.baseline.quantile_grid import QuantileGrid
from mlspec.monitoring.drift.arrays import Floats
from mlspec.monitoring.drift.column_reference import ColumnReference
from mlspec.monitoring.drift.detector import Detector
from mlspec.monitoring.drift.detector_state import DetectorState
from mlspec.monitoring.drift.streams import Streams

GRID = QuantileGrid.of(np.random.default_rng(9).beta(5, 5, 20_000))
BINS = (np.arange(64) + 0.5) / 64


def detector() -> Detector:
    streams = Streams((ColumnReference.of_share("x", GRID),), 0.02)
    return Detector(streams, 90_000.0, DetectorState.empty(len(streams.streams)))


def hours(values: Floats, size: int) -> list[Floats]:
    """Bin counts of `size` values an hour for the share, and of no missing value."""
    blocks = values.reshape(-1, size)
    shares = np.stack([np.histogram(b, bins=64, range=(0, 1))[0] for b in blocks]).astype(np.float64)
    return [shares, np.full((len(blocks), 1), float(size))]


def test_histograms_find_what_rows_find_within_an_hour_or_two() -> None:
    values = np.random.default_rng(0).beta(5, 5, 6000)
    values[3000:] = np.random.default_rng(1).beta(7, 5, 3000)
    by_row, by_hour = detector(), detector()
    columns = np.stack([values, np.zeros(6000)], axis=1)
    rows = by_row.update([""] * 6000, np.arange(6000.0), columns)
    steps = by_hour.update_counts(hours(values, 50), [BINS, np.zeros(1)], np.arange(120.0) * 50)
    assert (rows[0].direction, steps[0].direction) == (0, 0)
    assert 0 <= steps[0].time + 50 - rows[0].row <= 100
    assert abs(steps[0].origin.row - 3000) <= 100
    assert by_hour.moments(0).rows == 6000


def test_histograms_without_a_change_raise_no_alarm() -> None:
    values = np.random.default_rng(2).beta(5, 5, 20_000)
    assert detector().update_counts(hours(values, 100), [BINS, np.zeros(1)], np.arange(200.0)) == []


def test_an_hour_without_rows_is_not_evidence() -> None:
    empty = detector()
    assert empty.update_counts([np.zeros((50, 64)), np.zeros((50, 1))], [BINS, np.zeros(1)], np.arange(50.0)) == []
    assert empty.state.sums.max() == 0
