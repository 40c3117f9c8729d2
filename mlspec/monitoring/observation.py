"""The state of a served model: what the store, the detectors, the alerts and the labels say now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from mlspec.monitoring.alarm_book import AlarmChanges, remember
from mlspec.monitoring.answering_versions import answering_versions, drift_of, quality_of
from mlspec.monitoring.drift.drift_alarm import Alarm
from mlspec.monitoring.drift_state import DriftLook, look_for_drift
from mlspec.monitoring.log_panels import quality_panel, shift_panel
from mlspec.monitoring.monitor_metrics import monitor_metrics
from mlspec.monitoring.monitor_state import ActiveAlarm, FeatureView, Level, MonitorState, PanelView, Signal
from mlspec.monitoring.panel_data import RunQuery, ViewedRange, panel_views
from mlspec.monitoring.quality.diagnosis import PREDICTIONS, diagnose
from mlspec.monitoring.quality_state import QualityLook, look_at_quality
from mlspec.monitoring.queries import sql
from mlspec.monitoring.queries.alerts import Alert
from mlspec.monitoring.queries.dashboard_model import dashboard
from mlspec.monitoring.queries.query import Grouping
from mlspec.monitoring.reports import MonitorReport, reports
from mlspec.monitoring.sealing import Sealed
from mlspec.monitoring.watched_model import WatchedModel
from mlspec.render.formatting import number, share
from mlspec.spec.types import duration_seconds

ALARMS: Final = "alarms.json"
_EXAMPLES: Final = 20
_RISKS: Final = ("unknown", "within the tolerance", "harmful")
"""From the best known to the worst: the worst version is shown."""
_ENOUGH_LABELS: Final = 100
"""Labelled rows since a change without which it counts as possibly harmful."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The state, and what changed since the last run."""

    state: MonitorState
    changes: AlarmChanges
    reports: tuple[MonitorReport, ...] = ()


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

    def observe(self) -> Observation:
        """Seal and forget, look for drift, check the alerts, and describe the state."""
        self._note_sealed(self.model.store.seal(self.now))
        kept = timedelta(seconds=duration_seconds(self.model.options.log.retention))
        self.model.store.forget((self.now - kept).date())
        look = look_for_drift(self.model, self.model.options.drift, self.now) if self.model.options.drift else None
        if look is not None and look.note:
            self.notes.append(look.note)
        with self.model.store.opened() as connection:
            self._run = lambda text, values=(): connection.sql(text, params=list(values)).to_arrow_table()
            return self._observed(look)

    def _observed(self, look: DriftLook | None) -> Observation:
        versions = answering_versions(self._run, self.model.version)
        quality = quality_of(look_at_quality(self.model, self._run, self.viewed), versions)
        look = drift_of(look, versions) if look is not None else None
        drift_alarms: Sequence[ActiveAlarm] = ()
        if look is not None:
            self._benign = self._without_harm(look, quality)
            drift_alarms = [*self._drift_alarms([a for a in look.alarms if a not in self._benign], quality)]
        active = [*self._service_alarms(), *_harm(quality, look, self.now), *drift_alarms]
        book = self.model.state / ALARMS
        changes = remember(book, self.model.project, active, self.now, store=self.notifies)
        documents = tuple(reports(look.alarms if look else (), quality))
        return Observation(self._state(look, quality, changes.alarms), changes, documents)

    def _state(self, look: DriftLook | None, quality: QualityLook, alarms: tuple[ActiveAlarm, ...]) -> MonitorState:
        model, viewed = self.model, self.viewed
        shown = dashboard(model.shape, model.alerts, model.project, "")
        traffic = self._traffic()
        return MonitorState(
            project=model.project,
            environment=model.environment,
            since=viewed.since,
            until=viewed.until,
            signals=tuple(self._signals(traffic, look, quality, alarms)),
            alarms=alarms,
            panels=tuple(self._panels(panel_views(self._run, shown, model.shape, viewed))),
            features=tuple(self._features(look)),
            deployments=tuple(self._deployments()),
            budget=look.budget if look else "",
            notes=tuple(self.notes),
            metrics=tuple(monitor_metrics(model.project, self.now, look, quality, alarms)),
        )

    def _note_sealed(self, sealed: Sealed) -> None:
        if sealed.corrupt:
            self.notes.append(f"{sealed.corrupt} lines of the prediction log could not be read and were skipped")

    def _traffic(self) -> _Traffic:
        table = self._run(
            'SELECT COUNT(*) FILTER (WHERE "row" IS NULL OR "row" = 0) AS requests, '
            'COUNT(*) FILTER (WHERE ("row" IS NULL OR "row" = 0) AND status >= 500) AS errors, '
            'QUANTILE_CONT(latency_ms, 0.95) FILTER (WHERE "row" IS NULL OR "row" = 0) AS p95, MAX(time) AS last '
            "FROM predictions WHERE time >= ? AND time < ?",
            [self.viewed.since, self.viewed.until],
        )
        row = table.to_pylist()[0]
        return _Traffic(int(row["requests"]), int(row["errors"]), row["p95"], row["last"])

    def _panels(self, panels: Sequence[PanelView]) -> Iterator[PanelView]:
        """The panels, with those of quality and drift drawn from the log."""
        for panel in panels:
            if panel.id == "quality":
                yield quality_panel(self.model, self._run, self.viewed, panel)
            elif panel.id == "drift":
                yield shift_panel(self.model, self._run, self.viewed, panel)
            else:
                yield panel

    def _signals(
        self, traffic: _Traffic, look: DriftLook | None, quality: QualityLook, alarms: Sequence[ActiveAlarm]
    ) -> Iterator[Signal]:
        names = {alarm.id.partition("/")[0] for alarm in alarms if alarm.group == "service"}
        yield self._up(traffic, names)
        yield self._fast(traffic, names)
        yield _right(quality)
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
        detail = f"95th percentile; limit {number(limit.limit)} ms" if limit else "95th percentile; no limit is set"
        level: Level = "bad" if "latency" in names else "good"
        return Signal("Is it fast?", level, f"{number(traffic.p95)} ms", detail)

    def _moved(self, look: DriftLook, traffic: _Traffic) -> Signal:
        question = "Has it moved?"
        if look.alarms:
            names = sorted({shown_column(alarm.column) for alarm in look.alarms})
            harmless = all(alarm in self._benign for alarm in look.alarms)
            detail = ", ".join(names[:4]) + (": not harmful by the labels" if harmless else "")
            answer = f"{len(names)} column{'s' * (len(names) != 1)}"
            return Signal(question, "warn" if harmless else "bad", answer, detail)
        if not traffic.requests:
            return Signal(question, "unknown", "no requests")
        return Signal(question, "good", "no", "inputs and predictions are as in training")

    def _service_alarms(self) -> Iterator[ActiveAlarm]:
        for alert in self.model.alerts:
            since = self.now - timedelta(seconds=alert.window)
            for row in self._run(sql.rule(alert, self.model.shape), [since, self.now]).to_pylist():
                groups = {g.value: str(row[g.value]) for g in (Grouping.VERSION, Grouping.COLUMN) if row.get(g.value)}
                yield _service_alarm(alert, groups, row["measured"], since)

    def _without_harm(self, look: DriftLook, quality: QualityLook) -> list[Alarm]:
        """The changes after which enough labelled rows have a loss within the tolerance: these are no alarms."""
        harmless = {each.version for each in quality.versions if each.risk.state == "within the tolerance"}
        return [a for a in look.alarms if a.group.version in harmless and self._labelled_since(a) >= _ENOUGH_LABELS]

    def _labelled_since(self, alarm: Alarm) -> int:
        table = self._run(
            "SELECT COUNT(*) FROM labelled WHERE version = ? AND time >= ?",
            [alarm.group.version, _moment(alarm.since_time, self.now)],
        )
        return int(table.column(0)[0].as_py())

    def _drift_alarms(self, alarms: Sequence[Alarm], quality: QualityLook) -> Iterator[ActiveAlarm]:
        known = {each.version: each.words() for each in quality.versions}
        for alarm in alarms:
            cost = known.get(alarm.group.version, "unknown whether it is harmful: no labels")
            where = "/".join(filter(None, (alarm.group.version, alarm.group.slice)))
            title = f"{shown_column(alarm.column)} {alarm.kind if alarm.kind != 'category' else 'moved'}"
            yield ActiveAlarm(
                id="/".join(filter(None, ("drift", alarm.kind, alarm.column, alarm.category, where))),
                group="moved",
                title=f"{title} ({alarm.group.words()})" if alarm.group.words() else title,
                text=f"{_words(alarm)}. {cost[:1].upper()}{cost[1:]}.",
                since=_moment(alarm.since_time, self.now),
                help="examine the rows; to measure what the change costs, add labels: `mlspec labels add FILE`",
                examples=self._examples(alarm),
            )

    def _examples(self, alarm: Alarm) -> tuple[tuple[tuple[str, str], ...], ...]:
        """The rows that show an alarm, the column that moved first."""
        if not alarm.sample:
            return ()
        marks = ", ".join("?" * len(alarm.sample[-_EXAMPLES:]))
        rows = self._run(
            f"SELECT * FROM predictions WHERE CAST(id AS VARCHAR) IN ({marks}) ORDER BY time",
            list(alarm.sample[-_EXAMPLES:]),
        ).to_pylist()
        first = alarm.column.replace("unseen.", "input.")
        inputs = [f"input.{name}" for name, _ in self.model.shape.inputs]
        names = [
            name for name in dict.fromkeys((first, *inputs, "label", "score", "value")) if rows and name in rows[0]
        ]
        return tuple(
            (("time", f"{row['time']:%Y-%m-%d %H:%M:%S}"), *((shown_column(name), _shown(row[name])) for name in names))
            for row in rows
        )

    def _features(self, look: DriftLook | None) -> Iterator[FeatureView]:
        """The inputs with their missing values, live and in training."""
        alarms = {alarm.column.partition(".")[2]: alarm for alarm in look.alarms} if look else {}
        columns = self.model.store.columns.types
        names = [(n, kind) for n, kind in self.model.shape.inputs if f"input.{n}" in columns]
        if not names:
            return
        counts = ", ".join(f"COUNT({sql.name(f'input.{n}')})" for n, _ in names)
        table = self._run(
            f'SELECT COUNT(*), {counts} FROM predictions WHERE "row" IS NOT NULL AND time >= ? AND time < ?',
            [self.viewed.since, self.viewed.until],
        )
        rows, *present = (int(column[0].as_py()) for column in table.columns)
        for (name, kind), values in zip(names, present, strict=True):
            reference = self.model.reference.columns[name]
            alarm = alarms.get(name)
            level: Level = "good" if rows and look else "unknown"
            if alarm:
                level = "warn" if alarm in self._benign else "bad"
            yield FeatureView(
                name=name,
                kind=kind,
                rows=rows,
                missing=1 - values / rows if rows else None,
                missing_reference=reference.missing / max(self.model.reference.rows, 1),
                unseen=None,
                psi=None,
                ks=None,
                state=level,
                note=_words(alarm) if alarm else "as in training" if level == "good" else "",
            )

    def _deployments(self) -> Iterator[tuple[datetime, str]]:
        table = self._run("SELECT version, MIN(time) AS time FROM predictions GROUP BY version ORDER BY time")
        for row in table.to_pylist()[1:]:
            yield row["time"], str(row["version"])


def _right(quality: QualityLook) -> Signal:
    """What the labels say; without them what the scores let expect."""
    question = "Is it still right?"
    labelled = f"{quality.labelled:,} of {quality.rows:,} predictions labelled"
    measured = [each for each in quality.versions if each.risk.rows]
    if not measured:
        if quality.estimate is None:
            return Signal(question, "unknown", "no labels", "add them: mlspec labels add FILE")
        answer = f"about {quality.estimate.value:.3f}"
        return Signal(question, "unknown", answer, f"{quality.estimate.words()}; {labelled}")
    one = max(measured, key=lambda each: _RISKS.index(each.risk.state))
    if one.measured is None:
        return Signal(question, "unknown", "no labels", f"in this range of time; {labelled}")
    levels: dict[str, Level] = {"harmful": "bad", "within the tolerance": "good", "unknown": "unknown"}
    detail = f"{one.measured.words()}, version {one.version}; {one.expected:.3g} on the test split; {labelled}"
    return Signal(question, levels[one.risk.state], f"{one.measured.value:.3g}", detail)


def _harm(quality: QualityLook, look: DriftLook | None, now: datetime) -> Iterator[ActiveAlarm]:
    """An alarm for each version whose quality fell, with the cause as far as it is known."""
    for each in quality.harmful:
        moved = [a for a in look.alarms if a.group.version == each.version] if look else []
        cause = diagnose(moved, each.risk).cause
        names = ", ".join(dict.fromkeys(shown_column(a.column) for a in moved if a.column not in PREDICTIONS))
        inputs = f"inputs that moved: {names}" if names else "the inputs have not moved: they have other labels now"
        metric = each.measured.metric if each.measured else "quality"
        measured = each.measured.words() if each.measured else "no labels in this range of time"
        yield ActiveAlarm(
            id=f"quality/{each.version}",
            group="harmful",
            title=f"{metric} is worse than on the test split (version {each.version})",
            text=f"{cause}: {measured}, {each.expected:.3g} on the test split; {inputs}.",
            since=now,
            help="train on the new labels: `mlspec monitor retrain`; or go back: `mlspec rollback`",
        )


def _service_alarm(alert: Alert, groups: dict[str, str], measured: object, since: datetime) -> ActiveAlarm:
    where = ", ".join(f"{name} {value}" for name, value in groups.items())
    title = f"{alert.title} ({where})" if where else alert.title
    value = measured if isinstance(measured, int | float) else 0.0
    unit = alert.measure.unit
    form = share(value) if unit == "fraction" else number(value)
    limit = share(alert.limit) if unit == "fraction" else number(alert.limit)
    minutes = alert.window // 60 or 1
    text = f"{alert.title} was {form} in the last {minutes} min; the alert fires at {alert.sign} {limit}."
    help = "read the log of the server: `mlspec logs serve`" if alert.name == "error-rate" else ""
    return ActiveAlarm("/".join((alert.name, *groups.values())), "service", title, text, since, help)


def shown_column(column: str) -> str:
    """The name of a compared column for readers: `age`, `words of sentence`."""
    kind, dot, name = column.partition(".")
    if not dot:
        return {"label": "predicted label", "value": "predicted value"}.get(column, column)
    return name if kind == "input" else f"{kind} of {name}" if kind != "unseen" else f"unknown words of {name}"


def _words(alarm: Alarm) -> str:
    return alarm.words().replace(alarm.column, shown_column(alarm.column), 1)


def _shown(value: object) -> str:
    if value is None:
        return "missing"
    return number(value) if isinstance(value, float) else str(value)[:200]


def _moment(seconds: float, now: datetime) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return now


def _ago(span: timedelta) -> str:
    seconds = max(0, int(span.total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
