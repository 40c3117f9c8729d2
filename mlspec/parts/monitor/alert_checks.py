"""Checks of `monitor.alerts`: every alert can fire, and not always."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mlspec.diagnostics import Finding
from mlspec.monitoring.queries import promql
from mlspec.parts.monitor import prometheus_files
from mlspec.sections.data import DataSpec
from mlspec.sections.monitor import Monitor
from mlspec.sections.monitor_alerts import Alerts
from mlspec.spec.project import Project
from mlspec.spec.types import bound_parts, duration_seconds, holds

_RATES: Final = ("error_rate", "refused_rate", "timeout_rate", "throttled_rate", "unsure_rate", "missing_rate",
                 "unseen_rate")  # fmt: skip
"""Options of `monitor.alerts` whose value lies between 0 and 1."""


def check(project: Project, monitor: Monitor, data: DataSpec) -> Iterator[Finding]:
    """Alerts without a value, those that always or never fire, and rules without a server to scrape."""
    alerts, at = monitor.alerts, ("monitor", "alerts")
    for name in (*_RATES, "p95_ms"):
        bound: str | None = getattr(alerts, name)
        if bound is not None and not _can_fire(name, bound):
            message = f"`{bound}` can never fire, or always fires"
            help = "a rate lies between 0 and 1, for example > 0.02" if name in _RATES else "for example > 300"
            yield Finding("alert-bound", (*at, name), message, help)
    yield from _no_value(alerts, data)
    if monitor.prometheus is None:  # the metrics of the server count every input
        yield from _hidden(monitor, data)
    yield from _scraped(project, monitor)
    if monitor.prometheus and alerts.p95_ms and not holds(alerts.p95_ms, 1000 * promql.SECOND_BUCKETS[-1]):
        message = f"`{alerts.p95_ms}` can never fire in Prometheus: the histogram of the latency ends at 10000 ms"
        yield Finding("alert-bound", (*at, "p95_ms"), message, "for example > 5000")
    if duration_seconds(alerts.interval) > duration_seconds(alerts.window):
        message = f"the last {alerts.window} are checked every {alerts.interval}, so events in between are missed"
        yield Finding("alert-gap", (*at, "interval"), message, "make the window at least as long as the interval")


def _can_fire(name: str, bound: str) -> bool:
    sign, number = bound_parts(bound)
    return sign in (">", ">=") and not holds(bound, 0) and number >= 0 and (name == "p95_ms" or number < 1)


def _no_value(alerts: Alerts, data: DataSpec) -> Iterator[Finding]:
    at = ("monitor", "alerts")
    if alerts.unsure_rate and data.task == "regression":
        message = "a regression has no confidence, so `unsure_rate` has no value"
        yield Finding("alert-bound", (*at, "unsure_rate"), message, "remove `unsure_rate`")
    if alerts.missing_rate and all(column.type == "image" for column in data.columns.values()):
        message = "every input is an image, which is never missing, so `missing_rate` has no value"
        yield Finding("alert-bound", (*at, "missing_rate"), message, "remove `missing_rate`")
    if alerts.unseen_rate and all(column.type != "category" for column in data.columns.values()):
        message = "no input is a category, so `unseen_rate` has no value"
        yield Finding("alert-bound", (*at, "unseen_rate"), message, "remove `unseen_rate`")


def _hidden(monitor: Monitor, data: DataSpec) -> Iterator[Finding]:
    """Alerts on inputs of which the log has nothing, or only hashes."""
    stored = monitor.storage(data.columns)
    kinds = {name: column.type for name, column in data.columns.items() if column.type != "image"}
    categories = [name for name, kind in kinds.items() if kind == "category"]
    help = "log an input in full (`monitor.log`), count them in Prometheus (`monitor.prometheus`), or remove `{}`"
    if monitor.alerts.missing_rate and kinds and all(stored[name] == "redacted" for name in kinds):
        message = "every input is redacted, so `missing_rate` has no value"
        yield Finding("alert-bound", ("monitor", "alerts", "missing_rate"), message, help.format("missing_rate"))
    if monitor.alerts.unseen_rate and categories and all(stored[name] != "full" for name in categories):
        message = "the log has the values of no category, only hashes or nothing, so `unseen_rate` has no value"
        yield Finding("alert-bound", ("monitor", "alerts", "unseen_rate"), message, help.format("unseen_rate"))


def _scraped(project: Project, monitor: Monitor) -> Iterator[Finding]:
    if monitor.prometheus is not None and not prometheus_files.targets(project, monitor.prometheus):
        message = "Prometheus has no server to scrape: the spec packages no server"
        help = "add `targets: [HOST:PORT]`, or `package: {docker: {}}`"
        yield Finding("no-scrape-target", ("monitor", "prometheus"), message, help, on="key")
