"""Synthetic incidents replayed through the alerts of a project: which alert fires, after how many rows and minutes.

The predictions are healthy up to the incident, at the traffic of the service. Each alert is evaluated with its own
query and as often as it is in production, so one that can never fire at this traffic shows here. No files, no network.
"""

from __future__ import annotations

import math
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

import duckdb

from mlspec.monitoring.queries import sql
from mlspec.monitoring.queries.alerts import Alert
from mlspec.monitoring.queries.measure import Counted
from mlspec.monitoring.queries.query import ModelShape

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""When every incident begins."""
_MOST_ROWS: Final = 2_000
"""Rows of a window; with more traffic each stands for several."""
CANARY: Final = 10
_OLD, _NEW_VERSION = "1", "2"
_SURE, _UNSURE = 0.99, 0.01
_KNOWN: Final = "known"
_NEW: Final = "never seen before"
_FAST_MS, _SLOW_MS = 5.0, 60_000.0


@dataclass(frozen=True, slots=True)
class Incident:
    """What is wrong with every request from its beginning on, or with `canary` with those of a new version only.

    `statuses` follow each other; `missing` and `unseen` are about every input that can be so.
    """

    name: str
    title: str
    key: str
    """What in the spec finds it."""
    alert: str
    """The alert or detector of that key."""
    statuses: tuple[int, ...] = (200,)
    slow: bool = False
    silent: bool = False
    unsure: bool = False
    missing: bool = False
    unseen: bool = False
    flipped: bool = False
    sliced: bool = False
    """Whether the predictions of a slice no longer match the labels."""
    canary: bool = False
    """From its beginning on a new version answers one of CANARY requests."""

    @property
    def answered(self) -> bool:
        """Whether some requests get a prediction."""
        return 200 in self.statuses


INCIDENTS: Final = (
    Incident("outage", "the model fails on every request", "monitor.alerts.error_rate", "error-rate", statuses=(500,)),
    Incident(
        "timeouts",
        "every second request times out",
        "monitor.alerts.timeout_rate",
        "timeout-rate",
        statuses=(504, 200),
    ),
    Incident(
        "overload",
        "every second request is throttled",
        "monitor.alerts.throttled_rate",
        "throttled-rate",
        statuses=(429, 503, 200, 200),
    ),
    Incident("silence", "no request arrives", "monitor.alerts.silence", "silence", silent=True),
    Incident("slow", "every request takes a minute", "monitor.alerts.p95_ms", "latency", slow=True),
    Incident("drift", "the inputs are new to the model", "monitor.drift", "drift", unsure=True, unseen=True),
    Incident("label-flip", "the predictions no longer match the labels", "monitor.drift", "drift", flipped=True),
    Incident(
        "slice-fall",
        "the predictions for one slice no longer match the labels",
        "monitor.quality.slices",
        "slice quality",
        sliced=True,
    ),
    Incident(
        "schema-change",
        "clients omit inputs, or send other ones",
        "monitor.alerts.refused_rate",
        "refused-rate",
        statuses=(422, 200),
        missing=True,
    ),
    Incident(
        "bad-canary",
        "a new version with a tenth of the traffic fails on every second request, and is unsure",
        "monitor.alerts.error_rate",
        "error-rate",
        statuses=(500, 200),
        unsure=True,
        canary=True,
    ),
)


@dataclass(frozen=True, slots=True)
class FiredAlert:
    """An alert that an incident fired, and how long after its beginning."""

    alert: str
    rows: int
    minutes: float


@dataclass(frozen=True, slots=True)
class IncidentReplay:
    """What an incident fired, the fastest first."""

    incident: Incident
    fired: tuple[FiredAlert, ...]
    reason: str = ""
    """Why it fired no alert, where the traffic is the reason."""


@dataclass(frozen=True, slots=True)
class SilentAlert:
    """An alert that no incident fires, with the reason."""

    alert: str
    reason: str


@dataclass(frozen=True, slots=True)
class IncidentReport:
    """All replays, the alerts that can never fire, and those that fire on healthy traffic."""

    replays: tuple[IncidentReplay, ...]
    silent: tuple[SilentAlert, ...]
    always: tuple[str, ...]
    watched: frozenset[str] = frozenset()
    """The names of the alerts and detectors."""

    @property
    def passed(self) -> bool:
        """Whether every alert fires on an incident, and none on healthy traffic."""
        return not self.silent and not self.always


class IncidentDetector(Protocol):
    """A detector of drift or of a fall in quality, replayed beside the alerts."""

    @property
    def name(self) -> str:
        """The name in the report."""

    def rows_until_alarm(self, incident: Incident) -> int | None:
        """Rows from the beginning of the incident to the alarm; None if there is none."""

    def why_silent(self) -> str:
        """Why no incident raises an alarm; empty if no reason is known."""


def replay(
    alerts: Sequence[Alert], shape: ModelShape, per_minute: float, detectors: Sequence[IncidentDetector] = ()
) -> IncidentReport:
    """Replay all incidents through all alerts at `per_minute` requests a minute."""
    known = tuple((name, (_KNOWN,)) for name, kind in shape.inputs if kind == "category")
    with duckdb.connect() as connection:
        traffic = _IncidentTraffic(shape._replace(known=known), per_minute, connection)
        replays = tuple(_replayed(incident, alerts, detectors, traffic) for incident in INCIDENTS)
        always = tuple(alert.name for alert in alerts if traffic.fires(alert, INCIDENTS[0], 0))
    fired = {one.alert for each in replays for one in each.fired}
    names = [*(alert.name for alert in alerts), *(detector.name for detector in detectors)]
    reasons = {alert.name: _reason(alert, per_minute) for alert in alerts}
    reasons |= {detector.name: detector.why_silent() or _NEVER for detector in detectors}
    silent = tuple(SilentAlert(name, reasons[name]) for name in names if name not in fired)
    return IncidentReport(replays, silent, always, frozenset(names))


def _replayed(
    incident: Incident, alerts: Sequence[Alert], detectors: Sequence[IncidentDetector], traffic: _IncidentTraffic
) -> IncidentReplay:
    fired = [*_fired(incident, alerts, traffic)]
    reason = "" if fired or not incident.canary else _too_few(alerts, traffic.per_minute / CANARY)
    for detector in detectors:
        rows = detector.rows_until_alarm(incident)
        if rows is not None:
            rows *= CANARY if incident.canary else 1
            fired.append(FiredAlert(detector.name, rows, rows / traffic.per_minute))
    return IncidentReplay(incident, tuple(sorted(fired, key=lambda one: (one.minutes, one.alert))), reason)


def _too_few(alerts: Sequence[Alert], per_minute: float) -> str:
    """Why no alert on the rate of errors fires for a version with that traffic."""
    reasons = (_reason(alert, per_minute) for alert in alerts if alert.name == "error-rate")
    return next((f"error-rate does not fire for the new version: {why}" for why in reasons if why != _NEVER), "")


def _fired(incident: Incident, alerts: Sequence[Alert], traffic: _IncidentTraffic) -> Iterator[FiredAlert]:
    """The first evaluation of each alert that fires, up to the one whose window has nothing but the incident."""
    last = {alert: math.ceil(alert.window / alert.interval) + 1 for alert in alerts}
    waiting = {alert for alert, number in last.items() if traffic.fires(alert, incident, number * alert.interval)}
    for number in range(1, max(last.values(), default=0) + 1):
        for alert in [alert for alert in alerts if alert in waiting]:
            seconds = number * alert.interval
            if traffic.fires(alert, incident, seconds):
                waiting.remove(alert)
                rows = 0 if incident.silent else round(traffic.per_minute * seconds / 60)
                yield FiredAlert(alert.name, rows, seconds / 60)


_NEVER: Final = "no incident fires it"


def _reason(alert: Alert, per_minute: float) -> str:
    arriving = per_minute * alert.window / 60
    if arriving < alert.least:
        kind = "predictions" if alert.enough is Counted.PREDICTIONS else "requests"
        minutes = f"{alert.window / 60:g} minutes"
        arrive = f"it needs {alert.least} {kind} in {minutes}, and about {arriving:.3g} arrive"
        return f"{arrive}; lower monitor.alerts.min_requests, or set a longer window"
    return _NEVER


class _IncidentTraffic:
    """Predictions before and during an incident, as a table in DuckDB."""

    def __init__(self, shape: ModelShape, per_minute: float, connection: duckdb.DuckDBPyConnection) -> None:
        self.per_minute = per_minute
        self._shape, self._connection = shape, connection
        self._created: tuple[str, int, int] | None = None
        connection.execute("SET threads = 1")

    def fires(self, alert: Alert, incident: Incident, seconds: int) -> bool:
        """Whether an evaluation that many seconds after the beginning of the incident fires."""
        until = START + timedelta(seconds=seconds)
        since = until - timedelta(seconds=alert.window)
        if self._created != (incident.name, alert.window, seconds):
            self._create(alert.window, incident, since)
            self._created = (incident.name, alert.window, seconds)
        rows = self._connection.execute(sql.rule(alert, self._shape), [since, until])
        names = [name for name, *_ in rows.description or ()]
        if not incident.canary:
            return bool(rows.fetchall())
        versions = (dict(zip(names, row, strict=True)).get("version") for row in rows.fetchall())
        return _NEW_VERSION in versions  # an alert that does not say which version is bad has not found it

    def _create(self, window: int, incident: Incident, since: datetime) -> None:
        arriving = self.per_minute * window / 60
        rows = max(1, min(_MOST_ROWS, math.floor(arriving))) if arriving >= 1 else 0
        weight = arriving / rows if rows else 1.0
        step = window / rows if rows else float(window)
        at = f"TIMESTAMPTZ '{since.isoformat()}' + to_microseconds(CAST(i * {step * 1e6!r} AS BIGINT))"
        started = f"(time >= TIMESTAMPTZ '{START.isoformat()}')"
        kept = f" WHERE NOT {started}" if incident.silent else ""
        columns = ", ".join(self._columns(incident, started, weight))
        self._connection.execute(
            "CREATE OR REPLACE TEMP TABLE predictions AS SELECT *, CASE WHEN status = 200 THEN 0 END AS row FROM "
            f"(SELECT time, {columns} FROM (SELECT {at} AS time, i FROM range({rows}) AS rows(i)){kept})"
        )

    def _columns(self, incident: Incident, started: str, weight: float) -> Iterator[str]:
        """Columns of the view: the healthy value, and from the beginning on that of the incident."""
        statuses, place = ", ".join(map(str, incident.statuses)), "i"
        if incident.canary:
            started, place = f"({started} AND i % {CANARY} = 0)", f"i // {CANARY}"
        version = f"CASE WHEN {started} THEN '{_NEW_VERSION}' ELSE '{_OLD}' END" if incident.canary else f"'{_OLD}'"
        yield f"CASE WHEN {started} THEN [{statuses}][1 + ({place}) % {len(incident.statuses)}] ELSE 200 END AS status"
        yield f"CASE WHEN {started} THEN {_SLOW_MS if incident.slow else _FAST_MS} ELSE {_FAST_MS} END AS latency_ms"
        yield f"CASE WHEN {started} THEN {_UNSURE if incident.unsure else _SURE} ELSE {_SURE} END AS score"
        first, last = (sql.literal(label) for label in (self._labels[0], self._labels[-1]))
        yield f"CASE WHEN {started} THEN {last if incident.flipped else first} ELSE {first} END AS label"
        yield f"{weight!r} AS weight"
        yield f"{version} AS version"
        yield "CAST(NULL AS DOUBLE) AS value"
        for name, kind in self._shape.inputs:
            healthy = "1.0" if kind == "number" else sql.literal(_KNOWN)
            new = sql.literal(_NEW) if kind == "category" and incident.unseen else healthy
            yield f"CASE WHEN {started} THEN {'NULL' if incident.missing else new} ELSE {healthy} END AS " + sql.name(
                f"input.{name}"
            )

    @property
    def _labels(self) -> tuple[str, ...]:
        return self._shape.labels or ("no", "yes")


@dataclass(frozen=True, slots=True)
class PromtoolResult:
    """The outcome of `promtool test rules` on the generated tests."""

    passed: bool
    output: str


def prometheus_tests(folder: Path, promtool: str, limit: float = 120) -> PromtoolResult:
    """Run the generated unit tests of the rules in `folder`, with the program `promtool`. Raises OSError."""
    files = sorted(path.name for path in folder.glob("rules*_test.yml"))
    command = [promtool, "test", "rules", *files]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return PromtoolResult(False, f"promtool was stopped after {limit:g} s")
    return PromtoolResult(done.returncode == 0, done.stdout + done.stderr)
