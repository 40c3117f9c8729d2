"""What `mlspec monitor` measured as gauges for Prometheus: drift by column, quality by version, and open alarms.

Labels are bounded: the model, versions that answer requests, the compared columns with the most evidence, the labels
that are predicted most, groups of alarms. Of slices, values of the test split, up to a number for each version; other
ones are chosen by clients.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

from mlspec.monitoring.drift.drift_alarm import Alarm
from mlspec.monitoring.drift.drift_monitor import ColumnScore
from mlspec.monitoring.drift_state import DriftLook
from mlspec.monitoring.monitor_state import ActiveAlarm, MeasureView, MonitorMetric, SliceMeasure
from mlspec.monitoring.quality_state import QualityLook, VersionQuality
from mlspec.monitoring.slice_quality import SliceLook
from mlspec.runtime.counters import head, line

PREFIX: Final = "mlspec_monitor_"
HELP: Final = {
    "time_seconds": "When `mlspec monitor` measured this, in seconds since 1970.",
    "alarms": "Open alarms, by group.",
    "drift_columns": "Compared columns; those with the most evidence have gauges of drift.",
    "drift_evidence": "Evidence that a column has changed; an alarm begins at the threshold.",
    "drift_threshold": "Evidence at which the alarm of a single column begins.",
    "drift_share": "Evidence divided by the threshold: the alarm of a single column begins at 1.",
    "drift_alarm_open": "Whether the alarm of a column is open.",
    "drift_effect": "Size of the change of a column whose alarm is open, by unit.",
    "drift_rows": "Rows since the change of a column whose alarm is open.",
    "quality": "Accuracy, or mean absolute error, of labelled predictions.",
    "quality_low": "Lower end of the 95 % interval of the quality.",
    "quality_high": "Upper end of the 95 % interval of the quality.",
    "quality_expected": "The same measure on the test split.",
    "quality_estimated": "Accuracy, or mean absolute error, that is expected without labels.",
    "quality_estimated_low": "Lower end of its 95 % interval.",
    "quality_estimated_high": "Upper end of its 95 % interval.",
    "measure": "A measure of quality with labels: of all predictions, or precision, recall, F1 or AUROC of a label.",
    "measure_low": "Lower end of its 95 % interval.",
    "measure_high": "Upper end of its 95 % interval.",
    "measure_estimated": "The same measure as it is expected without labels.",
    "measure_estimated_low": "Lower end of its 95 % interval.",
    "measure_estimated_high": "Upper end of its 95 % interval.",
    "slice_measure": "Accuracy, or mean absolute error, of labelled predictions in a slice of a version.",
    "slice_measure_low": "Lower end of its 95 % interval.",
    "slice_measure_high": "Upper end of its 95 % interval.",
    "slice_measure_tested": "The same measure on the rows of the slice in the test split.",
    "slice_measure_rows": "Labelled predictions in the slice.",
    "quality_alarm_open": "Whether the quality fell by more than the tolerance.",
    "slice_quality_alarm_open": "Whether the quality fell in a slice alone: while an alarm is open, by its value.",
    "labelled_rows": "Labelled predictions.",
    "labelled_share": "Labelled predictions as a fraction of all.",
}
"""Metric to its help, in the order of the text."""
MAX_COLUMNS: Final = 200
"""Columns of a version with gauges of drift: those with an open alarm, then those with the most evidence."""
OTHER: Final = "other"
"""The value of slices that the test split lacks."""
_GROUPS: Final = ("service", "moved", "harmful")
Labels = tuple[tuple[str, str], ...]


def monitor_metrics(
    project: str,
    now: datetime,
    look: DriftLook | None,
    quality: QualityLook,
    alarms: Sequence[ActiveAlarm],
    measures: Sequence[MeasureView] = (),
    slices: SliceLook | None = None,
) -> Iterator[MonitorMetric]:
    """All gauges of one observation."""
    model: Labels = (("model", project),)
    yield MonitorMetric("time_seconds", model, now.timestamp())
    counts = Counter(alarm.group for alarm in alarms)
    for group in _GROUPS:
        yield MonitorMetric("alarms", (*model, ("group", group)), counts[group])
    if look is not None:
        yield from _drift(model, look)
    measured = {each.version for each in quality.versions if each.measured is not None}
    for each in quality.versions:
        yield from _quality((*model, ("version", each.version)), each, quality)
    for version, estimate in quality.estimates.items():
        labels = (*model, ("version", version))
        yield MonitorMetric("quality_estimated", labels, estimate.value)
        yield MonitorMetric("quality_estimated_low", labels, estimate.low)
        yield MonitorMetric("quality_estimated_high", labels, estimate.high)
        if version not in measured and estimate.tested is not None:
            yield MonitorMetric("quality_expected", (*labels, ("metric", estimate.metric)), estimate.tested)
    for view in measures:
        yield from _measure(model, view)
    if slices is not None:
        yield from _slices(model, slices)


def _slices(model: Labels, look: SliceLook) -> Iterator[MonitorMetric]:
    """The quality of each measured slice, then the alarms that are open."""
    for each in look.measures:
        labels = (*model, ("version", each.version), ("slice", each.name), ("value", each.value))
        yield from _slice((*labels, ("metric", each.metric)), each)
        yield MonitorMetric("slice_measure_rows", labels, each.rows)
    opened = {(each.version, each.name, each.value if each.tested else OTHER) for each in look.worse}
    for version, name, value in sorted(opened):
        sliced = (*model, ("version", version), ("slice", name), ("value", value))
        yield MonitorMetric("slice_quality_alarm_open", sliced, 1.0)


def _slice(named: Labels, each: SliceMeasure) -> Iterator[MonitorMetric]:
    yield MonitorMetric("slice_measure", named, each.measured.value)
    yield MonitorMetric("slice_measure_low", named, each.measured.low)
    yield MonitorMetric("slice_measure_high", named, each.measured.high)
    yield MonitorMetric("slice_measure_tested", named, each.tested)


def _measure(model: Labels, view: MeasureView) -> Iterator[MonitorMetric]:
    label: Labels = (("label", view.label),) if view.label else ()
    named = (*model, ("version", view.version), ("metric", view.metric), *label)
    for name, value in (("measure", view.measured), ("measure_estimated", view.estimated)):
        if value is not None:
            yield MonitorMetric(name, named, value.value)
            yield MonitorMetric(f"{name}_low", named, value.low)
            yield MonitorMetric(f"{name}_high", named, value.high)


def _drift(model: Labels, look: DriftLook) -> Iterator[MonitorMetric]:
    alarms: dict[tuple[str, str], Alarm] = {}
    for alarm in look.alarms:
        at = (alarm.group.version, alarm.column)
        if not alarm.group.slice and (at not in alarms or alarm.evidence > alarms[at].evidence):
            alarms[at] = alarm
    compared = [score for score in look.scores if not score.group.slice]
    for version, count in Counter(score.group.version for score in compared).items():
        yield MonitorMetric("drift_columns", (*model, ("version", version)), count)
    for score in _shown(compared, alarms.keys()):
        labels = (*model, ("version", score.group.version), ("input", score.column))
        alarm_or_none = alarms.get((score.group.version, score.column))
        evidence = max(score.evidence, alarm_or_none.evidence if alarm_or_none else 0.0)
        yield MonitorMetric("drift_evidence", labels, evidence)
        yield MonitorMetric("drift_threshold", labels, score.threshold)
        yield MonitorMetric("drift_share", labels, evidence / score.threshold)
        yield MonitorMetric("drift_alarm_open", labels, float(alarm_or_none is not None))
        if alarm_or_none is not None:
            effect = alarm_or_none.effect
            yield MonitorMetric("drift_effect", (*labels, ("unit", effect.unit)), effect.size)
            yield MonitorMetric("drift_rows", labels, alarm_or_none.rows)


def _shown(scores: Sequence[ColumnScore], alarms: Container[tuple[str, str]]) -> Iterator[ColumnScore]:
    """The scores that have gauges."""
    count: Counter[str] = Counter()
    for score in sorted(scores, key=lambda s: ((s.group.version, s.column) not in alarms, -s.evidence / s.threshold)):
        version = score.group.version
        count[version] += 1
        if count[version] <= MAX_COLUMNS:
            yield score


def _quality(labels: Labels, each: VersionQuality, quality: QualityLook) -> Iterator[MonitorMetric]:
    yield MonitorMetric("quality_alarm_open", labels, float(each.version in quality.fallen))
    measured = each.measured
    if measured is None:
        return
    named = (*labels, ("metric", measured.metric))
    yield MonitorMetric("quality", named, measured.value)
    yield MonitorMetric("quality_low", named, measured.low)
    yield MonitorMetric("quality_high", named, measured.high)
    yield MonitorMetric("quality_expected", named, each.expected)
    yield MonitorMetric("labelled_rows", labels, measured.rows)
    yield MonitorMetric("labelled_share", labels, min(1.0, measured.rows / quality.rows) if quality.rows else 0.0)


def metrics_text(metrics: Iterable[MonitorMetric]) -> str:
    """The gauges in Prometheus text format."""
    order = list(HELP)
    ordered = sorted(metrics, key=lambda metric: order.index(metric.name))
    lines: list[str] = []
    for name, samples in groupby(ordered, key=lambda metric: metric.name):
        lines += head(f"{PREFIX}{name}", "gauge", HELP[name])
        lines += [line(f"{PREFIX}{name}", sample.labels, sample.value) for sample in samples]
    return "".join(f"{text}\n" for text in lines)
