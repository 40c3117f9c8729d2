"""The state of a served model: what the store, the detectors, the alerts and the labels say now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from mlspec.monitoring.active_alarms import ActiveAlarms, labelled_since, moment
from mlspec.monitoring.alarm_book import AlarmChanges, known_since, remember
from mlspec.monitoring.answering_versions import answering_versions, drift_of, quality_of
from mlspec.monitoring.compared_inputs import WAITING, not_compared
from mlspec.monitoring.drift.drift_alarm import Alarm, column_title
from mlspec.monitoring.drift_state import DriftLook, look_for_drift
from mlspec.monitoring.dropped_records import DroppedRecords, dropped_notes, dropped_records, waiting_note
from mlspec.monitoring.duckdb_session import one_database
from mlspec.monitoring.input_views import input_views
from mlspec.monitoring.label_mixes import label_mixes
from mlspec.monitoring.log_panels import category_panel, quality_panel, shift_panel
from mlspec.monitoring.monitor_metrics import monitor_metrics
from mlspec.monitoring.monitor_state import (
    ActiveAlarm,
    Level,
    MeasureView,
    MonitorState,
    PanelView,
    Signal,
    VersionDiagnosis,
)
from mlspec.monitoring.panel_data import RunQuery, ViewedRange, panel_views, reported_numbers
from mlspec.monitoring.quality.diagnosis import diagnose
from mlspec.monitoring.quality.estimated_quality import ASSUMPTION
from mlspec.monitoring.quality_measures import quality_measures
from mlspec.monitoring.quality_state import QualityLook, judged_since, look_at_quality
from mlspec.monitoring.quality_views import estimate_views, label_bias_words, quality_views
from mlspec.monitoring.queries import sql
from mlspec.monitoring.queries.dashboard_model import dashboard
from mlspec.monitoring.queries.measure import Count, Counted, Percentile
from mlspec.monitoring.queries.query import Query, Series
from mlspec.monitoring.reports import MonitorReport, reports, run_report
from mlspec.monitoring.retention_clock import retention_time
from mlspec.monitoring.sealing import Sealed
from mlspec.monitoring.slice_quality import SliceLook, SliceQuality, look_at_slices, slice_notes
from mlspec.monitoring.watched_model import WatchedModel
from mlspec.render.formatting import metric_interval, metric_value, number, plural, share
from mlspec.spec.types import duration_seconds

ALARMS: Final = "alarms.json"
_RISKS: Final = ("unknown", "within the tolerance", "harmful")
"""From the best known to the worst: the worst version is shown."""
_AHEAD: Final = timedelta(minutes=1)
"""A prediction that much after now comes from a server whose clock is ahead."""
_JUMP: Final = timedelta(days=8)
"""A longer time between runs is reported: the clock may have jumped."""
_ENOUGH_LABELS: Final = 100
"""Labelled rows since a change without which it counts as possibly harmful."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The state, and what changed since the last run."""

    state: MonitorState
    changes: AlarmChanges
    reports: tuple[MonitorReport, ...] = ()


_TRAFFIC: Final = Query(
    (
        Series("requests", "Requests", Count(Counted.REQUESTS)),
        Series("errors", "Errors", Count(Counted.ERRORS)),
        Series("p95", "p95", Percentile("latency", 95)),
    )
)
"""The same measures as those of the panels."""


@dataclass(frozen=True, slots=True)
class _Traffic:
    """Requests in the viewed range."""

    requests: int
    errors: int
    p95: float | None
    last: datetime | None


@dataclass
class Observer:
    """Makes observations of one model. `now` is the moment that they are about.

    An observer that does not notify leaves the memory of alarms alone: their events are for a run that does.
    """

    model: WatchedModel
    now: datetime
    viewed: ViewedRange
    notifies: bool = True
    notes: list[str] = field(default_factory=list)
    _run: RunQuery = field(init=False)
    """Runs a statement in the session of this observation: all of it is about one state of the store."""
    _benign: list[Alarm] = field(default_factory=list)
    """Changes that are not harmful by the labels."""
    _dropped: DroppedRecords = field(default_factory=dict)
    _uncompared: Mapping[str, str] = field(default_factory=dict)
    """Why the inputs of a version are compared with nothing."""
    _slices: SliceLook = field(default_factory=SliceLook)
    """The worse ones are those whose version as a whole has not become worse."""

    @one_database()
    def observe(self) -> Observation:
        """Seal and forget, look for drift, check the alerts, and describe the state."""
        self._note_sealed(self.model.store.seal())
        if self.model.store.empty:
            folder = self.model.options.log.folder
            self.notes.append(
                f"no prediction is stored in {folder} yet: `mlspec serve` writes there, and so does the container of "
                "compose.yaml if its user may. For predictions that were written elsewhere: `mlspec monitor pull`"
            )
        self._forget()
        look = look_for_drift(self.model, self.model.options.drift, self.now) if self.model.options.drift else None
        if look is not None:
            self.notes += [*filter(None, [look.note]), *_late(look)]
        with self.model.store.opened() as connection:
            self._run = lambda text, values=(): connection.sql(text, params=list(values)).to_arrow_table()
            return self._observed(look)

    def _assumption(self, quality: QualityLook) -> str:
        """What the quality without labels rests on, or why there is none."""
        if not self.model.signature.labels:
            return quality.expected.words()
        return ASSUMPTION if quality.estimates else ""

    def _forget(self) -> None:
        """Delete the predictions that are older than the retention."""
        kept = timedelta(seconds=duration_seconds(self.model.options.log.retention))
        time = retention_time(self.model.state, self.now)
        if time is not None:
            self.model.store.forget((time - kept).date())
        if time is not None and self.now - time > _JUMP:
            self.notes.append(
                f"the clock of this machine is {(self.now - time).days:,} days after the runs that confirm it: "
                f"predictions are deleted as of {time:%Y-%m-%d}, until a run in a day or more confirms it"
            )

    def _note_future(self) -> None:
        """Report predictions of a later time than now: they are in the store, and no part of this view."""
        query = "SELECT COUNT(*) AS count, MAX(time) AS last FROM predictions WHERE time >= ?"
        row = self._run(query, [self.now + _AHEAD]).to_pylist()[0]
        if row["count"]:
            self.notes.append(
                f"{row['count']:,} prediction{'s have' if row['count'] != 1 else ' has'} a time after now, up to "
                f"{row['last']:%Y-%m-%d %H:%M} UTC: the clock of a server is ahead. They are stored, and are shown and "
                "compared once that time has come"
            )

    def _observed(self, look: DriftLook | None) -> Observation:
        self._note_future()
        folders, viewed = self.model.store.folders, self.viewed
        self._dropped = dropped_records(folders, viewed.since, viewed.until)
        self.notes += [*dropped_notes(self._dropped), *filter(None, [waiting_note(folders, self.now)])]
        self.notes += filter(None, [self.model.not_judged])
        versions = answering_versions(self._run, self.model.version)
        look = drift_of(look, versions) if look is not None else None
        quality = quality_of(self._quality(look), versions)
        self._slices = look_at_slices(self.model, self._run, self.viewed).of(versions, quality.fallen)
        quality = replace(quality, in_slices=_by_version(self._slices.worse))
        book = self.model.state / ALARMS
        makes = ActiveAlarms(self.model, self._run, self.now, self.viewed, known_since(book))
        moved = look.alarms if look else ()
        self._benign = self._without_harm(look, quality) if look else []
        drift = makes.drift([a for a in moved if a not in self._benign], quality)
        self._uncompared = not_compared(look, self._run, self.viewed)
        harmful = makes.harmful(quality, moved, self._uncompared)
        slices = makes.slices(self._slices.worse, moved, self._uncompared)
        active = [*makes.service(), *harmful, *slices, *drift]
        changes = remember(book, self.model.project, active, self.now, store=self.notifies)
        measures = tuple(quality_measures(self.model, self._run, self.viewed, quality))
        documents = (run_report(len(active)), *reports(self._harmful(look), quality, measures, self._slices))
        return Observation(self._state(look, quality, changes.alarms, measures), changes, documents)

    def _harmful(self, look: DriftLook | None) -> DriftLook | None:
        """The look without the alarms that are none by the labels, for the rules of Kibana and Prometheus."""
        return look and replace(look, alarms=tuple(a for a in look.alarms if a not in self._benign))

    def _state(
        self,
        look: DriftLook | None,
        quality: QualityLook,
        alarms: tuple[ActiveAlarm, ...],
        measures: tuple[MeasureView, ...],
    ) -> MonitorState:
        model, viewed = self.model, self.viewed
        shown = dashboard(model.shape, model.alerts, model.project, "")
        traffic = self._traffic()
        harmful, slices = self._harmful(look), self._slices
        metrics = tuple(monitor_metrics(model.project, self.now, harmful, quality, alarms, measures, slices))
        with reported_numbers(metrics, viewed.until - timedelta(microseconds=1)) as reported:
            panels = panel_views(self._run, shown, model.shape, viewed, reported)
        return MonitorState(
            project=model.project,
            environment=model.environment,
            since=viewed.since,
            until=viewed.until,
            signals=tuple(self._signals(traffic, look, quality, alarms)),
            alarms=alarms,
            panels=tuple(self._panels(panels, quality)),
            features=tuple(input_views(model, viewed.since, viewed.until, look, self._benign)),
            diagnoses=tuple(_diagnoses(look, quality, self._uncompared)),
            quality=tuple(quality_views(model, self._run, viewed, self._slices)),
            slice_notes=tuple(slice_notes(model)),
            estimates=tuple(estimate_views(quality.estimates)),
            measures=measures,
            estimate_assumption=self._assumption(quality),
            label_bias=label_bias_words(model, self._run, viewed),
            label_mixes=tuple(label_mixes(model, self._run, viewed)),
            evidence_threshold=look.threshold if look else None,
            deployments=tuple(self._deployments()),
            budget=look.budget if look else "",
            notes=tuple(self.notes),
            dropped=self._dropped,
            metrics=metrics,
        )

    def _note_sealed(self, sealed: Sealed) -> None:
        if sealed.corrupt:
            self.notes.append(f"{sealed.corrupt} lines of the prediction log could not be read and were skipped")

    def _traffic(self) -> _Traffic:
        ends = [self.viewed.since, self.viewed.until]
        (row,) = self._run(sql.panel(_TRAFFIC, self.model.shape).text, ends).to_pylist()
        (last,) = self._run(sql.LAST_REQUEST, ends)["last"].to_pylist()
        return _Traffic(round(row["requests"]), round(row["errors"]), row["p95"], last)

    def _panels(self, panels: Sequence[PanelView], quality: QualityLook) -> Iterator[PanelView]:
        """The panels, with those of quality and drift drawn from the log; all of them have numbers."""
        for panel in panels:
            if panel.id == "quality":
                yield quality_panel(self.model, self._run, self.viewed, panel, quality)
            elif panel.id == "drift":
                yield shift_panel(self.model, self._run, self.viewed, panel)
                yield from filter(None, [category_panel(self.model, self._run, self.viewed)])
            elif panel.id != "labelled":  # its shares are in the table of the quality
                yield panel

    def _signals(
        self, traffic: _Traffic, look: DriftLook | None, quality: QualityLook, alarms: Sequence[ActiveAlarm]
    ) -> Iterator[Signal]:
        names = {alarm.id.partition("/")[0] for alarm in alarms if alarm.group == "service"}
        yield self._up(traffic, names)
        yield self._fast(traffic, names)
        yield _right(quality, classes=bool(self.model.signature.labels))
        if look is not None:
            yield self._moved(look, traffic)

    def _up(self, traffic: _Traffic, names: set[str]) -> Signal:
        question = "Is it up?"
        if not traffic.requests or traffic.last is None:
            level: Level = "bad" if "silence" in names else "unknown"
            return Signal(question, level, "no requests", "no traffic is not the same as no errors")
        ago = f"{traffic.requests:,} requests, the last {_ago(self.now - traffic.last)} ago"
        failed = traffic.errors / traffic.requests
        if names & {"error-rate", "timeout-rate", "throttled-rate", "silence"}:
            return Signal(question, "bad", f"{share(failed)} errors", ago)
        return Signal(question, "good" if not traffic.errors else "warn", f"{share(failed)} errors", ago)

    def _fast(self, traffic: _Traffic, names: set[str]) -> Signal:
        if traffic.p95 is None:
            return Signal("Is it fast?", "unknown", "no requests")
        limit = next((alert for alert in self.model.alerts if alert.name == "latency"), None)
        detail = (
            f"95th percentile; limit {number(limit.limit)} ms"
            if limit
            else "95th percentile; no limit is set (monitor.alerts.p95_ms)"
        )
        level: Level = "bad" if "latency" in names else "good"
        return Signal("Is it fast?", level, f"{number(traffic.p95)} ms", detail)

    def _moved(self, look: DriftLook, traffic: _Traffic) -> Signal:
        question = "Has it moved?"
        if look.alarms:
            names = sorted({column_title(alarm.column) for alarm in look.alarms})
            harmless = all(alarm in self._benign for alarm in look.alarms)
            detail = ", ".join(names[:4]) + (": not harmful by the labels" if harmless else "")
            answer = f"{len(names)} column{'s' * (len(names) != 1)}"
            return Signal(question, "warn" if harmless else "bad", answer, detail)
        if not traffic.requests:
            return Signal(question, "unknown", "no requests")
        if self._uncompared:
            versions = ", ".join(sorted(self._uncompared))
            return Signal(question, "unknown", "not compared yet", f"version {versions}: {WAITING}")
        return Signal(question, "good", "no", "inputs and predictions are as in training")

    def _quality(self, look: DriftLook | None) -> QualityLook:
        """The quality; of a version that moved it is judged since then."""
        quality = look_at_quality(self.model, self._run, self.viewed)
        changes: dict[str, datetime] = {}
        for alarm in look.alarms if look else ():
            since = moment(alarm.since_time, self.now)
            changes[alarm.group.version] = min(changes.get(alarm.group.version, since), since)
        return judged_since(self.model, self._run, quality, changes)

    def _without_harm(self, look: DriftLook, quality: QualityLook) -> list[Alarm]:
        """The changes since which enough labelled rows have a loss within the tolerance: these are no alarms."""
        harmless = {each.version for each in quality.versions if each.risk.state == "within the tolerance"}
        harmless -= quality.in_slices.keys()
        return [
            a
            for a in look.alarms
            if a.group.version in harmless and labelled_since(self._run, a, self.now) >= _ENOUGH_LABELS
        ]

    def _deployments(self) -> Iterator[tuple[datetime, str]]:
        table = self._run("SELECT version, MIN(time) AS time FROM predictions GROUP BY version ORDER BY time")
        for row in table.to_pylist()[1:]:
            yield row["time"], str(row["version"])


def _late(look: DriftLook) -> Iterator[str]:
    """What is reported about predictions that arrived after later ones were compared."""
    arrived = "arrived after later ones were compared"
    if look.behind:
        verb = "was" if look.behind == 1 else "were"
        yield (
            f"{plural(look.behind, 'prediction')} {arrived}, and {verb} compared then: the clock of a server is "
            "behind, or its log was late"
        )
    if look.skipped:
        yield (
            f"{plural(look.skipped, 'prediction')} {arrived}: in the numbers, but not in the evidence of the "
            "detectors, because their ids do not show whether they were compared"
        )


def _diagnoses(
    look: DriftLook | None, quality: QualityLook, uncompared: Mapping[str, str]
) -> Iterator[VersionDiagnosis]:
    """What drift and quality together say about each version."""
    risks = {each.version: each.risk for each in quality.versions}
    moved = {alarm.group.version for alarm in look.alarms} if look else set()
    for version in sorted(risks.keys() | moved | quality.estimates.keys()):
        alarms = [alarm for alarm in look.alarms if alarm.group.version == version] if look else []
        why = uncompared.get(version, "")
        result = diagnose(alarms, risks.get(version), quality.estimates.get(version), uncompared=why)
        slices = quality.in_slices.get(version, ())
        worse = (f"the quality has fallen in {', '.join(slices)}",) if slices else ()
        yield VersionDiagnosis(version, result.cause, result.title, (*result.sentences, *worse), result.help)


def _by_version(slices: Sequence[SliceQuality]) -> dict[str, tuple[str, ...]]:
    return {version: tuple(s.slice for s in slices if s.version == version) for version in {s.version for s in slices}}


def _right(quality: QualityLook, *, classes: bool) -> Signal:
    """What the labels show; without them what is expected, of `classes` from their scores."""
    question = "Is it still right?"
    labelled = f"{quality.labelled:,} of {quality.rows:,} predictions labelled"
    measured = [each for each in quality.versions if each.risk.rows]
    if not measured:
        return _unlabelled(question, quality, labelled, classes=classes)
    one = max(measured, key=lambda each: (each.version in quality.alarmed, _RISKS.index(each.risk.state)))
    if one.measured is None:
        return Signal(question, "unknown", "no labels", f"in this range of time; {labelled}")
    levels: dict[str, Level] = {"harmful": "bad", "within the tolerance": "good", "unknown": "unknown"}
    measures = f"{one.measured.words()}, version {one.version}; {metric_value(one.expected)} on the test split"
    slices = quality.in_slices.get(one.version, ())
    worse = f"worse in {', '.join(slices)}; " if slices else ""
    detail = f"{measures}; {worse}{labelled}"
    return Signal(question, "bad" if slices else levels[one.risk.state], metric_value(one.measured.value), detail)


def _unlabelled(question: str, quality: QualityLook, labelled: str, *, classes: bool) -> Signal:
    """What is expected of the version of which the worst is."""
    if not quality.estimates:
        add = "add them: `mlspec labels add FILE`"
        why = "" if classes else f"; what is expected without them {quality.expected.words() or 'is not known'}"
        return Signal(question, "unknown", "no labels", add + why)
    worst = min if classes else max
    version, one = worst(quality.estimates.items(), key=lambda item: item[1].value)
    interval = f"{one.metric} {metric_interval(one.value, one.low, one.high)}"
    source = "scores" if classes else "inputs and predicted values"
    tested = "" if one.tested is None else f", {metric_value(one.tested)} on the test split"
    detail = f"{interval} is expected from the {source} of version {version}{tested}; {labelled}"
    return Signal(question, "unknown", f"about {metric_value(one.value)}", detail)


def _ago(span: timedelta) -> str:
    seconds = max(0, int(span.total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
