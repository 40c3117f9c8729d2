"""Alert rules of Kibana as bodies of `POST /api/alerting/rule/{id}`: ES|QL queries, each row of which is an alert."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from pydantic import JsonValue

from mlspec.monitoring.queries import esql
from mlspec.monitoring.queries.alerts import HELP, Alert
from mlspec.monitoring.queries.query import ModelShape
from mlspec.parts.monitor.prometheus_rules import duration, limit_text
from mlspec.parts.monitor.stack_names import stable_uuid

Body = dict[str, JsonValue]
DELAY: Final = 2
"""Runs in a row in which a condition must hold before it is an alert: one bad window is not an incident."""
_REPORTED_WITHIN: Final = 86_400
"""Seconds in which a report of drift is an alert: `mlspec monitor` may run once a day."""
_LATE: Final = 3600
"""Seconds by which a run may be later than a day after the last one."""


class AlertRule(NamedTuple):
    """A rule: its name in files, and its id in Kibana, which is a function of the data stream and the name."""

    name: str
    id: str
    body: Body


GUIDES: Final[Mapping[str, str]] = {
    "drift": """Live data of the column differs from the training data.

1. `mlspec monitor` shows since when, how much, in which direction, and twenty rows.
2. Ask who sends the input whether it was changed on purpose.
3. To measure what the change costs: `mlspec labels add FILE`.""",
    "quality": """The model is worse than on the test split by more than `monitor.quality.tolerance`.

1. `mlspec monitor` shows the version, the slices, and how many predictions have a label.
2. If the version is new, go back: `mlspec rollback`.
3. Otherwise train on the new labels: `mlspec monitor retrain`.""",
    "slice-quality": """The model is worse in this slice by more than `monitor.quality.tolerance`, and not on all rows.

1. `mlspec monitor` shows the slice, since when, what it is compared with, and twenty rows.
2. Ask whether the rows of the slice have changed: who sends them, and who labels them.
3. Train with more labelled rows of the slice: `mlspec monitor retrain`.""",
    "not-monitored": """`mlspec monitor` does not run, or does not reach Elasticsearch: no rule sees drift or quality.

1. Check that `mlspec monitor` runs on a schedule, at least once a day.
2. Run it: what prevents a report to Elasticsearch is in its output.""",
}
"""What to do about the alarms of `mlspec monitor`, in Markdown."""


def alert_rules(
    alerts: tuple[Alert, ...], shape: ModelShape, title: str, stream: str, reports: str, dashboard: str
) -> list[AlertRule]:
    """The rules of a project. `actions` is empty: the team configures who is notified, and a second apply keeps it.

    Each has an investigation guide and the dashboard of that id beside it.
    """
    bodies = {alert.name: _of_alert(alert, shape, title, stream) for alert in alerts}
    interval = max((alert.interval for alert in alerts), default=300)
    bodies["drift"] = _of_drift(shape.project, title, reports, interval)
    bodies["quality"] = _of_quality(shape.project, title, reports, interval)
    if shape.sliced:
        bodies["slice-quality"] = _of_slices(shape.project, title, reports, interval)
    bodies["not-monitored"] = _of_monitor(shape.project, title, reports, interval)
    guides = {**{alert.name: _guide(alert) for alert in alerts}, **GUIDES}
    for name, body in bodies.items():
        body["artifacts"] = {"dashboards": [{"id": dashboard}], "investigation_guide": {"blob": guides[name]}}
    return [AlertRule(name, stable_uuid("rule", stream, name), body) for name, body in bodies.items()]


def _guide(alert: Alert) -> str:
    """What the alert means and what to do, in Markdown."""
    window = duration(alert.window)
    if alert.silence:
        what = f"No request was stored in the last {window}."
    else:
        least = f", with at least {alert.least} {alert.enough.value}" if alert.least else ""
        what = f"{alert.title} in the last {window} was {alert.sign} {limit_text(alert)}{least}."
    action = HELP[alert.name]
    return f"{what}\n\n1. The dashboard shows since when, and which version.\n2. {action[:1].upper()}{action[1:]}."


def _of_alert(alert: Alert, shape: ModelShape, title: str, stream: str) -> Body:
    delay = 1 if alert.silence else DELAY
    query = esql.rule(alert, shape, stream)
    return _rule(f"{title}: {alert.title.lower()}", query, alert.window, alert.interval, delay, _tags(shape, alert))


def _of_drift(project: str, title: str, reports: str, interval: int) -> Body:
    """`mlspec monitor` decides what drift is, with a stated false-alarm budget; the rule repeats its alarms."""
    alarm = "WHERE monitor.alarm == 1"
    values = f"evidence = MAX(monitor.drift_evidence) {alarm}, effect = MAX(monitor.effect) {alarm}"
    groups = "BY column = monitor.column, version = service.version"
    query = f"FROM {reports} | WHERE monitor.column IS NOT NULL | STATS {values}, {_open(alarm)} {groups}{_NOW}"
    return _rule(f"{title}: drift", query, _REPORTED_WITHIN, interval, 1, ["mlspec", project, "warning"])


def _of_quality(project: str, title: str, reports: str, interval: int) -> Body:
    """The same for a quality that fell by more than the tolerance."""
    values = f"quality = AVG(monitor.quality), {_open('WHERE monitor.quality_alarm == 1')}"
    groups = "BY version = service.version"
    query = f"FROM {reports} | WHERE monitor.quality_alarm IS NOT NULL | STATS {values} {groups}{_NOW}"
    return _rule(f"{title}: quality", query, _REPORTED_WITHIN, interval, 1, ["mlspec", project, "critical"])


def _of_slices(project: str, title: str, reports: str, interval: int) -> Body:
    """The same for the quality of a slice, where that of the version did not fall."""
    alarm = "WHERE monitor.slice_alarm == 1"
    values = f"quality = AVG(monitor.slice_quality), expected = MAX(monitor.slice_expected), {_open(alarm)}"
    groups = "BY slice = monitor.slice, version = service.version"
    query = f"FROM {reports} | WHERE monitor.slice_alarm IS NOT NULL | STATS {values} {groups}{_NOW}"
    return _rule(f"{title}: quality of a slice", query, _REPORTED_WITHIN, interval, 1, ["mlspec", project, "warning"])


def _of_monitor(project: str, title: str, reports: str, interval: int) -> Body:
    """Without reports the other two rules are silent. A count of no document has a row."""
    query = f"FROM {reports} | STATS reports = COUNT(*) | WHERE reports < 1"
    delay = max(DELAY, math.ceil(_LATE / interval))
    return _rule(f"{title}: not monitored", query, _REPORTED_WITHIN, interval, delay, ["mlspec", project, "warning"])


def _open(alarm: str) -> str:
    """When the alarm was reported last, and when anything was."""
    return f"opened = MAX({esql.TIME}) {alarm}, looked = MAX({esql.TIME})"


_NOW: Final = " | WHERE opened == looked"
"""An alarm that the newest report does not have is over."""


def _tags(shape: ModelShape, alert: Alert) -> list[str]:
    return ["mlspec", shape.project, alert.severity]


def _rule(name: str, query: str, window: int, interval: int, delay: int, tags: list[str]) -> Body:
    size, unit = (window // 60, "m") if window % 60 == 0 else (window, "s")
    params: Body = {
        "searchType": "esqlQuery",
        "esqlQuery": {"esql": query},
        "timeField": esql.TIME,
        "timeWindowSize": size,
        "timeWindowUnit": unit,
        "threshold": [0],
        "thresholdComparator": ">",
        "size": 0,
        "groupBy": "row",
    }
    return {
        "name": name,
        "rule_type_id": ".es-query",
        "consumer": "stackAlerts",
        "tags": list[JsonValue](tags),
        "schedule": {"interval": f"{interval // 60}m" if interval % 60 == 0 else f"{interval}s"},
        "params": params,
        "alert_delay": {"active": delay},
        "actions": [],
    }


def queries(rules: list[AlertRule]) -> Iterator[str]:
    """The ES|QL of each rule."""
    for rule in rules:
        params = rule.body["params"]
        query = params.get("esqlQuery") if isinstance(params, dict) else None
        yield str(query["esql"]) if isinstance(query, dict) else ""
