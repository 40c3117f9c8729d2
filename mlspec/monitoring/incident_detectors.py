"""The detectors of drift and of quality on synthetic incidents: after how many rows each raises its alarm."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from mlspec.monitoring.drift.arrays import Floats
from mlspec.monitoring.drift.column_reference import ColumnReference
from mlspec.monitoring.drift.drift_alarm import RowGroup
from mlspec.monitoring.drift.drift_monitor import DriftMonitor
from mlspec.monitoring.drift.live_rows import LiveRows
from mlspec.monitoring.incidents import CANARY, Incident
from mlspec.monitoring.quality.diagnosis import PREDICTIONS
from mlspec.monitoring.quality.risk_alarm import RiskMonitor
from mlspec.monitoring.slice_detectors import new_slice_monitor
from mlspec.monitoring.watched_model import WatchedModel
from mlspec.render.formatting import share

MOST_ROWS: Final = 20_000
"""An incident that raises no alarm within so many rows raises none."""
_BLOCK: Final = 20
"""Rows between two looks: the resolution of the answer."""
_GROUP: Final = RowGroup("incident")
_HEALTHY: Final = RowGroup("healthy")
"""The earlier version, where the incident is about a new one."""
_NOTHING: Final = Incident("", "", "", "")
_OF_INPUTS: Final = ("input.", "characters.", "words.", "unseen.", "domain.")
"""Columns of inputs that can be missing: all but those of images."""


@dataclass(frozen=True)
class DriftReplay:
    """The drift detector of a model. `make` gives a new one; `columns` are what it compares."""

    make: Callable[[], DriftMonitor]
    columns: tuple[ColumnReference, ...]
    name: str = "drift"

    def rows_until_alarm(self, incident: Incident) -> int | None:
        """Rows from the beginning of the incident to the first alarm; None without one, or without rows."""
        if incident.silent or not incident.answered:
            return None
        monitor, random = self.make(), np.random.default_rng(0)
        for first in range(0, MOST_ROWS, _BLOCK):
            monitor.update(_GROUP, self._rows(incident, first, random))
            for _ in range(CANARY - 1 if incident.canary else 0):
                monitor.update(_HEALTHY, self._rows(_NOTHING, first, random))
            if alarms := [alarm for alarm in monitor.alarms() if alarm.group == _GROUP]:
                return min(alarm.row for alarm in alarms) + 1
            if not self._shows(incident) and first >= 2_000:
                return None
        return None

    def why_silent(self) -> str:
        """Of a detector of drift no reason is known."""
        return ""

    def _shows(self, incident: Incident) -> bool:
        """Whether any compared column is not as before."""
        names = {column.name for column in self.columns}
        return (
            (incident.flipped and "label" in names)
            or (incident.unsure and "score" in names)
            or (incident.unseen and not names.issubset(PREDICTIONS))
            or (incident.missing and any(name.startswith(_OF_INPUTS) for name in names))
        )

    def _rows(self, incident: Incident, first: int, random: np.random.Generator) -> LiveRows:
        numbers: dict[str, Floats] = {}
        categories: dict[str, list[object]] = {}
        for column in self.columns:
            if column.kind == "category":
                categories[column.name] = _categories(column, incident, random)
            else:
                numbers[column.name] = _numbers(column, incident, random)
        ids = [str(first + index) for index in range(_BLOCK)]
        return LiveRows(ids, np.arange(first, first + _BLOCK, dtype=np.float64), numbers, categories)


@dataclass(frozen=True)
class QualityReplay:
    """The detector of a fall in quality. `losses` are those of the test split."""

    make: Callable[[], RiskMonitor]
    losses: Floats
    name: str = "quality"

    def rows_until_alarm(self, incident: Incident) -> int | None:
        """Labelled rows from the beginning of the incident to the alarm; None without one, or without rows."""
        if incident.silent or not incident.answered or not len(self.losses):
            return None
        monitor, random = self.make(), np.random.default_rng(0)
        if monitor.allowed >= 1:
            return None
        for first in range(0, MOST_ROWS, _BLOCK):
            monitor.update(np.ones(_BLOCK) if incident.flipped else random.choice(self.losses, _BLOCK))
            if monitor.risk().state == "harmful":
                return monitor.alarm_row + 1 if monitor.alarm_row is not None else first + _BLOCK
            if not incident.flipped and first >= 2_000:
                return None
        return None

    def why_silent(self) -> str:
        """That the model is already so often wrong that it cannot become worse by more than the tolerance."""
        monitor = self.make()
        if monitor.allowed < 1:
            return ""
        loss, tolerance = share(monitor.source.mean), share(monitor.tolerance)
        return f"the loss on the test split is {loss} already, and cannot rise by more than {tolerance}, the tolerance"


@dataclass(frozen=True)
class SliceReplay:
    """The detector of a fall in the quality of the most frequent slice, which has that share of the rows."""

    make: Callable[[], RiskMonitor]
    share: float
    name: str = "slice quality"

    def rows_until_alarm(self, incident: Incident) -> int | None:
        """Labelled rows of all slices from the beginning of the incident to the alarm; None without one."""
        monitor = self.make()
        if not (incident.sliced or incident.flipped) or monitor.allowed >= 1:
            return None
        monitor.update(np.ones(MOST_ROWS))
        return None if monitor.alarm_row is None else math.ceil((monitor.alarm_row + 1) / self.share)

    def why_silent(self) -> str:
        """As for the detector of all rows."""
        return QualityReplay(self.make, np.zeros(0)).why_silent()


def slice_replays(model: WatchedModel) -> Iterator[SliceReplay]:
    """One, if the test split has slices to compare with."""
    errors = model.reference.slice_errors
    sizes = {(name, value): grid.count for name, values in errors.items() for value, grid in values.items()}
    if sizes:
        name, value = max(sizes, key=lambda each: sizes[each])
        rows = sum(count for (other, _), count in sizes.items() if other == name)

        def make() -> RiskMonitor:
            monitor = new_slice_monitor(model, "", name, value)
            assert monitor is not None
            return monitor

        yield SliceReplay(make, sizes[name, value] / rows)


def _numbers(column: ColumnReference, incident: Incident, random: np.random.Generator) -> Floats:
    """Values as in training; beyond all of training where they are new, or missing."""
    if incident.missing and column.name.startswith(_OF_INPUTS):
        return np.full(_BLOCK, np.nan)
    if column.kind == "share":
        return np.full(_BLOCK, 1.0) if incident.unseen else np.full(_BLOCK, column.mean)
    if not len(column.points):
        return np.full(_BLOCK, np.nan)
    if column.name == "score":
        return np.full(_BLOCK, column.points.min()) if incident.unsure else random.choice(column.points, _BLOCK)
    moved = incident.unseen and column.name != "value"
    values = random.choice(column.points, _BLOCK) + (3 * column.deviation if moved else 0.0)
    absent = random.random(_BLOCK) < column.missing
    return np.where(absent, np.nan, values)


def _categories(column: ColumnReference, incident: Incident, random: np.random.Generator) -> list[object]:
    if incident.missing and column.name.startswith("input."):
        return [None] * _BLOCK
    if incident.unseen and column.name.startswith("input."):
        return ["never seen before"] * _BLOCK
    names = list(column.shares)
    if not names:
        return [None] * _BLOCK
    shares = np.array(list(column.shares.values()))
    if incident.flipped and column.name == "label":
        shares = shares[::-1]
    drawn = random.choice(len(names), _BLOCK, p=shares / shares.sum())
    absent = random.random(_BLOCK) < column.missing
    return [None if gone else names[index] for index, gone in zip(drawn, absent, strict=True)]
