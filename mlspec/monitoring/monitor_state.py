"""What `mlspec monitor` shows, as values: the four questions, alarms, versions and panels. Made once, rendered as text,
JSON and HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from mlspec.monitoring.quality.cause import Cause
from mlspec.monitoring.shift_measure import ShiftMeasure

Level: TypeAlias = Literal["good", "warn", "bad", "unknown"]
"""`unknown`: there is too little to judge."""
AlarmGroup: TypeAlias = Literal["service", "moved", "harmful"]
"""`service`: errors, latency, silence. `moved`: inputs or scores are not those of training. `harmful`: quality fell."""
PanelUnit: TypeAlias = Literal["count", "per_second", "fraction", "milliseconds", "number"]
FactUnit: TypeAlias = Literal["sd", "ratio", "fraction", "milliseconds", "count", "number"]


@dataclass(frozen=True, slots=True)
class Signal:
    """The answer to one question."""

    question: str
    level: Level
    answer: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class AlarmFacts:
    """What an alarm states, one fact each. What it does not have is empty or None."""

    column: str = ""
    version: str = ""
    slice: str = ""
    direction: Literal["up", "down", ""] = ""
    size: float | None = None
    """How large the change is, or the value that was measured, in `unit`."""
    low: float | None = None
    high: float | None = None
    unit: FactUnit = "number"
    basis: str = ""
    """What the size was measured on, and what that means for its interval."""
    expected: float | None = None
    """The value in training or on the test split, or the limit of the alert."""
    evidence: float | None = None
    threshold: float | None = None
    """The evidence that an alarm needs."""
    rows: int | None = None
    """Rows since the change."""
    end: str = ""
    """When the alarm ends."""


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
    facts: AlarmFacts = AlarmFacts()


@dataclass(frozen=True, slots=True)
class ChartLine:
    """One line of a chart; a value is None where nothing was measured."""

    name: str
    points: tuple[tuple[datetime, float | None], ...]
    dashed: bool = False
    """Whether it is what was expected, and not what was measured."""
    intervals: tuple[tuple[float, float] | None, ...] = ()
    """The 95 % interval of each point, if they have one."""


@dataclass(frozen=True, slots=True)
class ChartLimit:
    """A limit of an alert, drawn as a line."""

    value: float
    title: str


@dataclass(frozen=True, slots=True)
class PanelView:
    """A chart over time, or a table. `cells` has a row for each group: its names, then a value for each of `units`."""

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

    @property
    def names(self) -> int:
        """The columns of a table that name the group."""
        return len(self.heads) - len(self.units)


@dataclass(frozen=True, slots=True)
class FeatureView:
    """One compared column of one version, live against training: an input, a measure of it such as the words of a text,
    or what the model predicts."""

    name: str
    """The input, or `score`, `label` or `value`."""
    measure: str
    """What is compared: `number`, `category`, `characters`, `words`, `unseen`, `domain`, `mean`, `contrast`, or as the
    name of a prediction."""
    title: str
    rows: int
    missing: float | None = None
    missing_reference: float | None = None
    unseen: float | None = None
    mean: float | None = None
    mean_reference: float | None = None
    psi: ShiftMeasure | None = None
    """Population stability index."""
    ks: ShiftMeasure | None = None
    """Kolmogorov-Smirnov statistic, of a number."""
    chi_square: ShiftMeasure | None = None
    """The chi-square test, as Cramer's V."""
    evidence: float | None = None
    """Of the detectors: the largest of the version and its slices."""
    state: Level = "unknown"
    note: str = ""
    version: str = ""
    """Empty without predictions."""


@dataclass(frozen=True, slots=True)
class MonitorMetric:
    """One sample of a gauge; the names of `labels` are fixed, and their values are versions and columns."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float


@dataclass(frozen=True, slots=True)
class QualityView:
    """The quality of one version, or of a slice of it, in the viewed range, with a 95 % interval."""

    version: str
    slice: str
    metric: str
    value: float | None
    """None without labels."""
    low: float | None
    high: float | None
    labelled: int
    rows: int
    compared: str = ""
    """What the alarm compares with: `0.800 on 1,000 rows of the test split`."""
    lacking: str = ""
    """Why this slice has no alarm."""

    @property
    def labelled_share(self) -> float:
        """The share of the predictions that have a label."""
        return self.labelled / self.rows if self.rows else 0.0


@dataclass(frozen=True, slots=True)
class EstimateView:
    """The quality of one version that is expected without labels, with the interval of 95 of 100 cases."""

    version: str
    metric: str
    value: float
    low: float
    high: float
    tested: float | None = None
    """The same on the test split."""


@dataclass(frozen=True, slots=True)
class ValueInterval:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class MeasureView:
    """One measure of the quality of a version in the viewed range: measured with labels, and expected without."""

    version: str
    metric: str
    """`accuracy`, `mean absolute error`, `root mean squared error`; of a label `precision`, `recall`, `f1`, `auroc`."""
    label: str
    """Empty for a measure of all predictions."""
    measured: ValueInterval | None
    estimated: ValueInterval | None


@dataclass(frozen=True, slots=True)
class SliceMeasure:
    """The quality of one slice of a version, on labelled predictions in the viewed range and on the test split."""

    version: str
    name: str
    """`town`."""
    value: str
    """`Bonn`."""
    metric: str
    measured: ValueInterval
    tested: float
    """The same on the rows of the slice in the test split."""
    rows: int
    """Labelled rows."""

    @property
    def slice(self) -> str:
        """`town=Bonn`."""
        return f"{self.name}={self.value}"

    @property
    def place(self) -> tuple[str, str, str]:
        """The version, and the name and the value of the slice."""
        return self.version, self.name, self.value


@dataclass(frozen=True, slots=True)
class LabelShareView:
    """One label: its share in training, among the predictions, and as it is estimated for the true labels.

    The 95 % intervals are of the number of rows alone. None is what is not known.
    """

    label: str
    training: float
    predicted: float
    estimated: float | None
    predicted_interval: tuple[float, float] | None = None
    estimated_interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class LabelMix:
    """The shares of all labels of one version (label shift)."""

    shares: tuple[LabelShareView, ...]
    assumption: str
    """What the estimate assumes."""
    problem: str = ""
    """Why the shares are not estimated; empty if they are."""
    accuracy: ValueInterval | None = None
    """The expected accuracy with these shares."""
    version: str = ""


@dataclass(frozen=True, slots=True)
class VersionDiagnosis:
    """What drift and quality together say about one version."""

    version: str
    cause: Cause
    title: str
    sentences: tuple[str, ...]
    help: str = ""


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
    diagnoses: tuple[VersionDiagnosis, ...] = ()
    quality: tuple[QualityView, ...] = ()
    slice_notes: tuple[str, ...] = ()
    """Which slices have no alarm, and why."""
    estimates: tuple[EstimateView, ...] = ()
    measures: tuple[MeasureView, ...] = ()
    estimate_assumption: str = ""
    label_bias: str = ""
    """Whether the labelled rows are like the others."""
    label_mixes: tuple[LabelMix, ...] = ()
    """Of each version."""
    evidence_threshold: float | None = None
    """The evidence at which a column raises an alarm."""
    deployments: tuple[tuple[datetime, str], ...] = ()
    """When each version answered first."""
    budget: str = ""
    """How often a drift alarm is false, in words."""
    notes: tuple[str, ...] = ()
    """What limits this view: dropped records, lines that could not be read."""
    dropped: Mapping[Literal["log", "elasticsearch"], Mapping[str, int]] = field(default_factory=dict)
    """Predictions that are not in the `log`, or not in `elasticsearch`, by reason."""
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
