"""The values of a state of a served model in words, the same in the terminal and on the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from mlspec.monitoring.drift.drift_alarm import evidence_words
from mlspec.monitoring.monitor_state import (
    AlarmFacts,
    EstimateView,
    FactUnit,
    LabelMix,
    LabelShareView,
    MeasureView,
    MonitorState,
    QualityView,
    ValueInterval,
)
from mlspec.monitoring.shift_measure import ShiftMeasure
from mlspec.render.formatting import DASH, metric_interval, number, share

_NAMED: Final = 4
"""Slices that are named."""
_SMALL: Final = 0.001
"""Smaller p-values are shown as this limit."""


def fact(value: float, unit: FactUnit) -> str:
    """A value of an alarm with its unit."""
    match unit:
        case "sd":
            return f"{value:+.2f} sd"
        case "ratio":
            return f"{value:.2f} times"
        case "fraction":
            return share(value)
        case "milliseconds":
            return f"{number(value)} ms"
        case "count" | "number":
            return number(value)


def _bare(value: float, unit: FactUnit) -> str:
    """An end of an interval, whose unit the value before has."""
    return fact(value, unit).removesuffix(" sd").removesuffix(" times")


def fact_words(facts: AlarmFacts) -> Iterator[tuple[str, str]]:
    """The facts of an alarm: name and words, those that it has."""
    if facts.size is not None:
        interval = ""
        if facts.low is not None and facts.high is not None:
            low, high = (_bare(end, facts.unit) for end in (facts.low, facts.high))
            interval = f" ({low} to {high})"
        yield "size", f"{fact(facts.size, facts.unit)}{interval}"
    if facts.expected is not None:
        yield "expected", fact(facts.expected, facts.unit)
    named = {"direction": facts.direction, "column": facts.column, "version": facts.version, "slice": facts.slice}
    yield from ((name, words) for name, words in named.items() if words)
    if facts.rows is not None:
        yield "rows", f"{facts.rows:,}"
    if facts.evidence is not None:
        yield "evidence", evidence_words(facts.evidence, facts.threshold)
    if facts.basis:
        yield "measured on", facts.basis.removeprefix("measured on ")
    if facts.end:
        yield "ends", facts.end.removeprefix("ends ")


def label_words(label: LabelShareView) -> tuple[str, str]:
    """The predicted and the estimated share of a label: `40.0 % (38.1 % to 41.9 %)`; empty without an estimate."""
    predicted = share(label.predicted) + _between(label.predicted_interval)
    estimated = "" if label.estimated is None else share(label.estimated) + _between(label.estimated_interval)
    return predicted, estimated


def _between(ends: tuple[float, float] | None) -> str:
    return f" ({share(ends[0])} to {share(ends[1])})" if ends else ""


def shift_words(shift: ShiftMeasure | None) -> str:
    """What a distance is above its noise: `0.213`; with its p-value, if it has one."""
    if shift is None:
        return DASH
    p = "" if shift.p is None else f", p < {_SMALL}" if shift.p < _SMALL else f", p = {shift.p:.2g}"
    return f"{shift.net:.3f}{p}"


def quality_words(view: QualityView) -> str:
    """`0.812 (0.790 to 0.833)`."""
    if view.value is None or view.low is None or view.high is None:
        return "no labels"
    return metric_interval(view.value, view.low, view.high)


def estimate_words(view: EstimateView | ValueInterval) -> str:
    """`0.801 (0.780 to 0.822)`."""
    return metric_interval(view.value, view.low, view.high)


def labelled_words(view: QualityView) -> str:
    """`412 of 1,803 (22.9%)`."""
    return f"{view.labelled:,} of {view.rows:,} ({share(view.labelled_share)})"


_NAMES: Final = {"f1": "F1", "auroc": "AUROC"}


def metric_title(name: str) -> str:
    """`F1` of `f1`."""
    return _NAMES.get(name, name)


def measure_words(view: MeasureView) -> str:
    """`precision 0.750 (0.700 to 0.800), expected 0.801 (0.780 to 0.822)`."""
    values = [estimate_words(view.measured)] if view.measured else []
    values += [f"expected {estimate_words(view.estimated)}"] if view.estimated else []
    return f"{metric_title(view.metric)} {', '.join(values)}"


QUALITY_HEADS: Final = (
    "version", "slice", "measured with labels", "labelled", "expected without labels", "the alarm compares with"
)  # fmt: skip


def quality_cells(state: MonitorState) -> list[tuple[str, ...]]:
    """The rows of the table of quality, as `QUALITY_HEADS`. The expected quality is that of a whole version."""
    expected = {view.version: estimate_words(view) for view in state.estimates}
    return [
        (
            view.version,
            view.slice or "all",
            quality_words(view),
            labelled_words(view),
            expected.get(view.version, DASH) if not view.slice else "",
            "no alarm: see below" if view.lacking else view.compared,
        )
        for view in state.quality
    ]


def lacking_words(state: MonitorState) -> Iterator[str]:
    """Which slices have no alarm, by the reason: of those that never have one the note alone."""
    reasons: dict[str, list[str]] = {}
    for view in state.quality:
        if view.lacking and not any(view.lacking in note for note in state.slice_notes):
            reasons.setdefault(view.lacking, []).append(f"{view.slice} (version {view.version})")
    for reason, slices in reasons.items():
        more = f" and {len(slices) - _NAMED} more" if len(slices) > _NAMED else ""
        yield f"No alarm of {', '.join(slices[:_NAMED])}{more}: {reason}."
    yield from (f"The slice {note}." for note in state.slice_notes)


def quality_title(state: MonitorState) -> str:
    """The name of what is measured."""
    return next((f"{view.metric[:1].upper()}{view.metric[1:]}" for view in state.quality), "Quality")


def worse_slices(views: Sequence[QualityView]) -> list[QualityView]:
    """The slices whose interval lies wholly on the worse side of the value of their version."""
    whole = {view.version: view for view in views if not view.slice}
    return [view for view in views if view.slice and _worse(view, whole.get(view.version))]


def _worse(view: QualityView, whole: QualityView | None) -> bool:
    if whole is None or whole.value is None or view.low is None or view.high is None:
        return False
    return view.high < whole.value if view.metric == "accuracy" else view.low > whole.value


def not_estimated(mix: LabelMix) -> str:
    """Why the shares of a version are not estimated; empty if they are."""
    what = f"The shares of the true labels of version {mix.version} are not estimated"
    return f"{what}: {mix.problem}." if mix.problem else ""


def corrected_words(mix: LabelMix) -> str:
    """The expected accuracy with the estimated shares of the labels; empty without it."""
    if mix.accuracy is None:
        return ""
    accuracy = metric_interval(mix.accuracy.value, mix.accuracy.low, mix.accuracy.high)
    return f"With these shares the expected accuracy of version {mix.version} is {accuracy}."
