"""The detectors of slices: what each is compared with, its part of the budget of false alarms, and what it can see."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from mlspec.monitoring.baseline.quantile_grid import Floats, QuantileGrid
from mlspec.monitoring.quality.risk_alarm import LEVEL, RiskMonitor
from mlspec.monitoring.quality_divisions import judged_slices, quality_slices
from mlspec.monitoring.quality_losses import error_scale
from mlspec.monitoring.quality_state import risk_budget
from mlspec.monitoring.tested_slices import tested_definition
from mlspec.monitoring.watched_model import WatchedModel
from mlspec.render.formatting import metric_value

FIRST_ROWS: Final = 200
"""Labelled rows with which the later ones of a slice are compared that the test split lacks."""
MOST_OWN: Final = 20
"""Values of such a slice that have a detector, the most frequent ones."""
_OF_OWN: Final = 0.1
"""Of the level of the intervals, what the detectors of such slices have."""


def tested_errors_of(model: WatchedModel, version: str, name: str, value: str) -> QuantileGrid | None:
    """The errors of a slice on the test split; None if that has too few of its rows, or another slice of this name."""
    reference = model.reference_of(version)
    if (grid := reference.slice_errors.get(name, {}).get(value)) is None:  # which is quick, for a million values
        return None
    _, slices = quality_slices(model)
    if name not in slices or reference.tested.get(name) != tested_definition(name, slices[name], model.hidden):
        return None
    return grid


def new_slice_monitor(model: WatchedModel, version: str, name: str, value: str) -> RiskMonitor | None:
    """A detector of a slice that compares with the test split; None where that has too few of its rows.

    The slices have half of the budget. It is divided among the declared divisions: the slices of one have no row in
    common, so that together they see each row once.
    """
    known = tested_errors_of(model, version, name, value)
    if known is None:
        return None
    errors = np.random.default_rng(0).permutation(np.array(known.points))
    level = LEVEL * (1 - _OF_OWN) / sum(map(len, model.reference_of(version).slice_errors.values()))
    return _monitor(model, np.minimum(errors / error_scale(model.reference_of(version)), 1.0), level)


def own_slice_monitor(model: WatchedModel, losses: Floats) -> RiskMonitor:
    """A detector of a slice that the test split lacks, after these losses: the first ones are those that it compares
    with."""
    level = LEVEL * _OF_OWN / (MOST_OWN * max(1, len(judged_slices(model))))
    monitor = _monitor(model, losses[:FIRST_ROWS], level)
    monitor.update(losses[FIRST_ROWS:])
    return monitor


def _monitor(model: WatchedModel, source: Floats, level: float) -> RiskMonitor:
    return RiskMonitor.of(source, model.options.quality.tolerance, slice_budget(model), level)


def slice_budget(model: WatchedModel) -> float:
    """The labelled rows of a slice between two false alarms about it: its part of the half that the slices have."""
    return risk_budget(model) * max(1, len(judged_slices(model)))


class Basis(NamedTuple):
    """What the alarm of a slice compares with, in words; or why it has none."""

    compared: str = ""
    """`0.800 on 120 rows of the test split`."""
    lacking: str = ""


def basis(model: WatchedModel, version: str, slice: tuple[str, str], first: float | None) -> Basis:
    """Of a slice with that name and value; `first` is the mean error of its first labelled rows, if it has enough."""
    grid, labels = tested_errors_of(model, version, *slice), bool(model.signature.labels)
    if grid is not None:
        return Basis(f"{metric_value(1 - grid.mean if labels else grid.mean)} on {grid.count:,} rows of the test split")
    if first is None:
        return Basis(lacking=f"too few rows in the test split, and not yet {FIRST_ROWS} with a label")
    return Basis(f"{metric_value(1 - first if labels else first)} on its first {FIRST_ROWS} labelled rows")
