"""Alert rules of Kibana as bodies of `POST /api/alerting/rule`: one ES|QL query each, each row of which is an alert."""

from __future__ import annotations

from mlspec.sections.monitor_alerts import Alerts
from mlspec.spec.types import bound_parts, duration_seconds


def rules(alerts: Alerts, project: str, stream: str, task: str) -> dict[str, dict[str, object]]:
    """Rule by name. `actions` is empty: the team configures who is notified."""
    rules_by_name = {}
    if alerts.error_rate:
        rules_by_name["error-rate"] = _over(alerts, stream, "AVG(prediction.failed)", alerts.error_rate)
    if alerts.p95_ms:
        rules_by_name["latency"] = _over(alerts, stream, "PERCENTILE(event.duration, 95) / 1000000", alerts.p95_ms)
    if alerts.unsure_rate and task == "classification":
        rules_by_name["unsure"] = _over(alerts, stream, "AVG(prediction.unsure)", alerts.unsure_rate)
    if alerts.silence:
        query = f"FROM {stream} | STATS requests = COUNT(*) | WHERE requests == 0"
        rules_by_name["silence"] = _params(query, duration_seconds(alerts.silence))
    return {name: _rule(f"{project}: {name}", project, params, alerts) for name, params in rules_by_name.items()}


def _over(alerts: Alerts, stream: str, measure: str, bound: str) -> dict[str, object]:
    sign, number = bound_parts(bound)
    stats = f"STATS requests = COUNT(*), measured = {measure}"
    holds = f"WHERE requests >= {alerts.min_requests} AND measured {sign} {number:g}"
    return _params(f"FROM {stream} | {stats} | {holds}", duration_seconds(alerts.window))


def _params(query: str, seconds: int) -> dict[str, object]:
    size, unit = (seconds // 60, "m") if seconds % 60 == 0 else (seconds, "s")
    return {
        "searchType": "esqlQuery",
        "esqlQuery": {"esql": query},
        "timeField": "@timestamp",
        "timeWindowSize": size,
        "timeWindowUnit": unit,
        "threshold": [0],
        "thresholdComparator": ">",
        "size": 0,
    }


def _rule(name: str, project: str, params: dict[str, object], alerts: Alerts) -> dict[str, object]:
    seconds = duration_seconds(alerts.interval)
    return {
        "name": name,
        "rule_type_id": ".es-query",
        "consumer": "stackAlerts",
        "tags": ["mlspec", project],
        "schedule": {"interval": f"{seconds // 60}m" if seconds % 60 == 0 else f"{seconds}s"},
        "params": params,
        "actions": [],
    }
