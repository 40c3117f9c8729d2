"""What `mlspec monitor` shows, as values: the four questions, alarms, versions and panels. Made once, rendered as text,
JSON and HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["good", "warn", "bad", "unknown"]
"""`unknown`: there is too little to judge."""
AlarmGroup: TypeAlias = Literal["service", "moved", "harmful"]
"""`service`: errors, latency, silence. `moved`: inputs or scores are not those of training. `harmful`: quality fell."""
PanelUnit: TypeAlias = Literal["count", "per_second", "fraction", "milliseconds", "number"]


@dataclass(frozen=True, slots=True)
class Signal:
    """The answer to one question."""

    question: str
    level: Level
    answer: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ActiveAlarm:
    """An alarm that fires. `id` stays the same while it does."""

    id: str
    group: AlarmGroup
    title: str
    text: str
    since: datetime
    help: str = ""
    examples: tuple[tuple[tuple[str, str], ...], ...] = ()
    """Rows that show it: names and values."""


@dataclass(frozen=True, slots=True)
class ChartLine:
    """One line of a chart; a value is None where nothing was measured."""

    name: str
    points: tuple[tuple[datetime, float | None], ...]


@dataclass(frozen=True, slots=True)
class ChartLimit:
    """A limit of an alert, drawn as a line."""

    value: float
    title: str


@dataclass(frozen=True, slots=True)
class PanelView:
    """A chart over time, or a table. `cells` has a row for each group, its name first."""

    id: str
    title: str
    question: str
    chart: Literal["number", "lines", "stacked", "shares", "table"]
    units: tuple[PanelUnit, ...]
    lines: tuple[ChartLine, ...] = ()
    limits: tuple[ChartLimit, ...] = ()
    heads: tuple[str, ...] = ()
    cells: tuple[tuple[str | float | None, ...], ...] = ()
    empty: str = ""
    """Why there is nothing to show."""


@dataclass(frozen=True, slots=True)
class FeatureView:
    """One input of the model, live against training."""

    name: str
    kind: str
    rows: int
    missing: float | None
    missing_reference: float | None
    unseen: float | None
    psi: float | None
    """Population stability index net of its noise."""
    ks: float | None
    """Kolmogorov-Smirnov statistic, of a number."""
    state: Level = "unknown"
    note: str = ""


@dataclass(frozen=True, slots=True)
class MonitorMetric:
    """One sample of a gauge; the names of `labels` are fixed, and their values are versions and columns."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float


@dataclass(frozen=True, slots=True)
class MonitorState:
    """The state of a served model between two moments."""

    project: str
    environment: str
    since: datetime
    until: datetime
    signals: tuple[Signal, ...]
    alarms: tuple[ActiveAlarm, ...]
    panels: tuple[PanelView, ...] = ()
    features: tuple[FeatureView, ...] = ()
    deployments: tuple[tuple[datetime, str], ...] = ()
    """When each version answered first."""
    budget: str = ""
    """How often a drift alarm is false, in words."""
    notes: tuple[str, ...] = ()
    """What limits this view: dropped records, lines that could not be read."""
    metrics: tuple[MonitorMetric, ...] = ()
    """What was measured, for Prometheus."""

    @property
    def level(self) -> Level:
        """The worst of the answers; an alarm makes it bad."""
        if self.alarms:
            return "bad"
        return worst([signal.level for signal in self.signals])


_ORDER: Sequence[Level] = ("bad", "warn", "unknown", "good")


def worst(levels: Sequence[Level]) -> Level:
    """The worst of several levels; `unknown` of none."""
    return next((level for level in _ORDER if level in levels), "unknown")
