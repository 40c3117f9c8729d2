"""Each compared column against training: missing and unseen values, PSI, KS and chi-square net of their noise, and the
evidence of the detectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mlspec.monitoring.drift.column_reference import reference_columns
from mlspec.monitoring.drift.drift_alarm import Alarm, column_title
from mlspec.monitoring.drift_state import DriftLook
from mlspec.monitoring.monitor_state import FeatureView, Level
from mlspec.monitoring.profile_report import ColumnReport, MeasureReport, ProfileReport, report
from mlspec.monitoring.watched_model import WatchedModel

_DECIDING: Final = ("number", "category", "characters", "mean")
"""The measure of an input that its missing values are shown with."""
_ENOUGH: Final = 1
"""Rows without which nothing is judged."""


def input_views(
    model: WatchedModel, since: datetime, until: datetime, look: DriftLook | None, benign: Sequence[Alarm]
) -> Iterator[FeatureView]:
    """The inputs, then the predictions, of the whole hours that overlap the range of time."""
    hour = since.replace(minute=0, second=0, microsecond=0)
    totals = report(model.store.profiles(hour, until), model.reference)
    views = _Views(look, benign, _measures(totals), {column.name: column for column in totals.columns})
    names = [c.name for c in reference_columns(model.reference) if c.rows]
    for name in names:
        yield views.view(name, totals.predictions)


@dataclass(frozen=True)
class _Views:
    look: DriftLook | None
    benign: Sequence[Alarm]
    measures: Mapping[str, MeasureReport]
    """By the name of the compared column."""
    inputs: Mapping[str, ColumnReport]

    def view(self, column: str, rows: int) -> FeatureView:
        """One compared column."""
        kind, dot, name = column.partition(".")
        measured = self.measures.get(column)
        of_input = self.inputs.get(name) if dot else None
        measure = measured.measure if measured else kind
        known = of_input if measure in _DECIDING else None
        alarm = self._alarm(column)
        level, note = self._state(alarm, column, rows)
        return FeatureView(
            name=name or column,
            measure=measure,
            title=column_title(column),
            rows=measured.rows if measured else rows,
            missing=known.missing if known and rows else None,
            missing_reference=known.reference_missing if known else None,
            unseen=of_input.unseen if of_input and measure == "category" and rows else None,
            mean=measured.mean if measured else None,
            mean_reference=measured.reference_mean if measured else None,
            psi=measured.psi if measured else None,
            ks=measured.ks if measured else None,
            chi_square=measured.chi_square if measured else None,
            evidence=self.look.evidence.get(column) if self.look else None,
            state=level,
            note=note,
        )

    def _alarm(self, column: str) -> Alarm | None:
        """The alarm with the strongest evidence; of all rows rather than of a slice."""
        alarms = [alarm for alarm in self.look.alarms if alarm.column == column] if self.look else []
        return min(alarms, key=lambda a: (a in self.benign, bool(a.group.slice), -a.evidence), default=None)

    def _state(self, alarm: Alarm | None, column: str, rows: int) -> tuple[Level, str]:
        if alarm is not None:
            return "warn" if alarm in self.benign else "bad", alarm.short()
        if self.look is None:
            return "unknown", "not watched: monitor.drift is not set"
        if column not in self.look.evidence:
            return "unknown", "not compared" if rows >= _ENOUGH else ""
        return ("good", "as in training") if rows >= _ENOUGH else ("unknown", "")


def _measures(totals: ProfileReport) -> dict[str, MeasureReport]:
    result: dict[str, MeasureReport] = {}
    for column in totals.columns:
        for measured in column.measures:
            kind = "input" if measured.measure in ("number", "category") else measured.measure
            result[f"{kind}.{column.name}"] = measured
    for prediction in (totals.prediction, totals.label_shift):
        if prediction is not None:
            result[prediction.measure] = prediction
    return result
