"""Alerts of a project as values, from `monitor.alerts`. Each version is judged by itself, to detect a bad canary."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mlspec.monitoring.queries.measure import Count, Counted, Measure, Percentile, rate
from mlspec.monitoring.queries.query import Grouping, ModelShape
from mlspec.sections.monitor_alerts import Alerts
from mlspec.spec.types import bound_parts, duration_seconds

Severity: TypeAlias = Literal["critical", "warning"]


@dataclass(frozen=True, slots=True)
class Alert:
    """A condition that fires: `measure` compared with `limit` over the last `window` seconds, for each group.

    `least` is the smallest number of records of `enough` in the window that can fire it. Where `silence` is set, it
    fires if the count is below the limit, also if nothing was ever recorded.
    """

    name: str
    title: str
    measure: Measure
    sign: str
    limit: float
    window: int
    interval: int
    by: tuple[Grouping, ...] = (Grouping.VERSION,)
    least: int = 0
    enough: Counted = Counted.REQUESTS
    severity: Severity = "critical"
    silence: bool = False


def alerts(options: Alerts, shape: ModelShape) -> tuple[Alert, ...]:
    """The alerts that the options ask for, in the order of the options."""
    return tuple(_alerts(options, shape))


def _alerts(options: Alerts, shape: ModelShape) -> Iterator[Alert]:
    window, interval = duration_seconds(options.window), duration_seconds(options.interval)
    if options.error_rate:
        yield _rate(options, "error-rate", "Error rate", Counted.ERRORS, options.error_rate, "critical")
    if options.p95_ms:
        sign, limit = bound_parts(options.p95_ms)
        p95 = Percentile("latency", 95)
        yield Alert("latency", "Latency, p95", p95, sign, limit, window, interval, least=options.min_requests)
    if options.unsure_rate and shape.task == "classification":
        title = "Low-confidence predictions"
        yield _rate(options, "unsure", title, Counted.UNSURE, options.unsure_rate, "warning")
    if options.silence:
        window, count = duration_seconds(options.silence), Count(Counted.REQUESTS)
        yield Alert("silence", "No requests", count, "<", 1, window, interval, by=(), silence=True)


def _rate(options: Alerts, name: str, title: str, part: Counted, bound: str, severity: Severity) -> Alert:
    sign, limit = bound_parts(bound)
    window, interval = duration_seconds(options.window), duration_seconds(options.interval)
    measure, enough = rate(part), part.whole
    return Alert(
        name, title, measure, sign, limit, window, interval, (Grouping.VERSION,), options.min_requests, enough, severity
    )
