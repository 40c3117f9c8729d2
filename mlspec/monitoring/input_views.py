"""Each compared column of each version against training: missing and unseen values, PSI, KS and chi-square net of their
noise, and the evidence of the detectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from mlspec.monitoring.drift.column_reference import reference_columns
from mlspec.monitoring.drift.drift_alarm import Alarm, column_title
from mlspec.monitoring.drift.drift_monitor import ColumnScore
from mlspec.monitoring.drift_state import DriftLook
from mlspec.monitoring.monitor_state import FeatureView, Level
from mlspec.monitoring.profile_report import ColumnReport, MeasureReport, ProfileReport, report
from mlspec.monitoring.watched_model import WatchedModel

_DECIDING: Final = ("number", "category", "characters", "mean")
"""The measure of an input that its missing values are shown with."""
MOST_VERSIONS: Final = 8
"""Versions of a column that are shown."""
_ENOUGH: Final = 1
"""Rows without which nothing is judged."""


def input_views(
    model: WatchedModel, since: datetime, until: datetime, look: DriftLook | None, benign: Sequence[Alarm]
) -> Iterator[FeatureView]:
    """The inputs, then the predictions, of the whole hours that overlap the range of time; of each the versions.

    All versions are compared with the training data of the exported model, so that their numbers can be compared.
    """
    hour = since.replace(minute=0, second=0, microsecond=0)
    profiles = model.store.profiles(hour, until)
    views = []
    for version in _newest(profiles) or [""]:
        totals = report(profiles, model.reference, version or None)
        inputs = {column.name: column for column in totals.columns}
        views.append(_Views(version, look, benign, totals.predictions, _measures(totals), inputs))
    names = [c.name for c in reference_columns(model.reference) if c.rows]
    yield from (each.view(name) for name in names for each in views)


def _newest(profiles: pa.Table) -> list[str]:
    """The versions with predictions: of many those that answered last."""
    of_predictions = profiles.filter(pc.equal(profiles["measure"], "predictions"))
    last: dict[str, datetime] = {}
    for version, hour in zip(of_predictions["version"].to_pylist(), of_predictions["hour"].to_pylist(), strict=True):
        last[version] = max(hour, last.get(version, hour))
    return sorted(sorted(last, key=lambda version: last[version])[-MOST_VERSIONS:])


@dataclass(frozen=True)
class _Views:
    """The columns of one version."""

    version: str
    look: DriftLook | None
    benign: Sequence[Alarm]
    rows: int
    measures: Mapping[str, MeasureReport]
    """By the name of the compared column."""
    inputs: Mapping[str, ColumnReport]

    def view(self, column: str) -> FeatureView:
        """One compared column."""
        rows = self.rows
        kind, dot, name = column.partition(".")
        measured = self.measures.get(column)
        of_input = self.inputs.get(name) if dot else None
        measure = measured.measure if measured else kind
        known = of_input if measure in _DECIDING else None
        alarm = self._alarm(column)
        evidence = self._evidence(alarm, column)
        level, note = self._state(alarm, evidence)
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
            evidence=evidence,
            state=level,
            note=note,
            version=self.version,
        )

    def _alarm(self, column: str) -> Alarm | None:
        """The alarm with the strongest evidence; of all rows rather than of a slice."""
        alarms = [alarm for alarm in self.look.alarms if self._is_about(alarm, column)] if self.look else []
        return min(alarms, key=lambda a: (a in self.benign, bool(a.group.slice), -a.evidence), default=None)

    def _is_about(self, each: Alarm | ColumnScore, column: str) -> bool:
        return each.column == column and each.group.version in ("", self.version)

    def _evidence(self, alarm: Alarm | None, column: str) -> float | None:
        """The largest of the version and its slices; None without any."""
        scores = self.look.scores if self.look else ()
        values = [score.evidence for score in scores if self._is_about(score, column)]
        return max([*values, *([alarm.evidence] if alarm else [])], default=None)

    def _state(self, alarm: Alarm | None, evidence: float | None) -> tuple[Level, str]:
        if alarm is not None:
            return "warn" if alarm in self.benign else "bad", alarm.short()
        if self.look is None:
            return "unknown", "not watched: monitor.drift is not set"
        if evidence is None:
            return "unknown", "not compared" if self.rows >= _ENOUGH else ""
        return ("good", "as in training") if self.rows >= _ENOUGH else ("unknown", "")


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
