"""Alerts of a project as values, from `monitor.alerts`. Each version is judged by itself, to detect a bad canary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple, TypeAlias

from mlspec.monitoring.queries.measure import Count, Counted, Measure, Percentile, rate
from mlspec.monitoring.queries.query import Grouping, ModelShape
from mlspec.sections.monitor_alerts import Alerts
from mlspec.spec.types import bound_parts, duration_seconds

Severity: TypeAlias = Literal["critical", "warning"]


class Alert(NamedTuple):
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

    @property
    def bound(self) -> str:
        """The comparison with the limit, in every query language."""
        return f"{self.sign} {self.limit:.15g}"


RATES: Final[dict[Counted, tuple[str, str]]] = {
    Counted.ERRORS: ("error-rate", "Error rate"),
    Counted.REFUSED: ("refused-rate", "Refused requests"),
    Counted.TIMEOUTS: ("timeout-rate", "Timeouts"),
    Counted.THROTTLED: ("throttled-rate", "Throttled requests"),
    Counted.UNSURE: ("unsure", "Low-confidence predictions"),
    Counted.MISSING: ("missing-rate", "Missing values"),
    Counted.UNSEEN: ("unseen-rate", "Unseen values"),
}
"""Name and title of the alert on the rate of each."""
_CRITICAL: Final = (Counted.ERRORS, Counted.TIMEOUTS, Counted.THROTTLED)

HELP: Final = {
    "error-rate": "read the log of the server: `mlspec logs serve`; if the version is new, go back: `mlspec rollback`",
    "refused-rate": "compare the requests with the signature of the model: `mlspec show`, or GET /openapi.json",
    "timeout-rate": "give the server more CPU, memory or time, or send fewer rows in one request",
    "throttled-rate": "raise the number of requests that may run at once, or slow the clients down",
    "unsure": "label some of these rows and add them: `mlspec labels add FILE`",
    "latency": "give the server more CPU or memory, or raise monitor.alerts.p95_ms if this is fast enough",
    "missing-rate": "ask the client why the input is missing: its rows have none",
    "unseen-rate": "ask the client about these values: the training data does not have them",
    "silence": "check that the server runs and that clients reach it: `mlspec status`",
}
"""What to do about an alert, by its name."""


def alerts(options: Alerts, shape: ModelShape) -> tuple[Alert, ...]:
    """The alerts that the options ask for, in the order of the options."""
    return tuple(_alerts(options, shape))


def _alerts(options: Alerts, shape: ModelShape) -> Iterator[Alert]:
    bounds = {Counted.ERRORS: options.error_rate, Counted.REFUSED: options.refused_rate,
              Counted.TIMEOUTS: options.timeout_rate, Counted.THROTTLED: options.throttled_rate}  # fmt: skip
    yield from (_rate(options, part, bound) for part, bound in bounds.items() if bound)
    if options.p95_ms:
        sign, limit = bound_parts(options.p95_ms)
        window, interval = duration_seconds(options.window), duration_seconds(options.interval)
        p95 = Percentile("latency", 95)
        yield Alert("latency", "Latency, p95", p95, sign, limit, window, interval, least=options.min_requests)
    yield from _of_rows(options, shape)
    if options.silence:
        window, interval = duration_seconds(options.silence), duration_seconds(options.interval)
        count = Count(Counted.REQUESTS)
        yield Alert("silence", "No requests", count, "<", 1, window, interval, by=(), silence=True)


def _of_rows(options: Alerts, shape: ModelShape) -> Iterator[Alert]:
    if options.unsure_rate and shape.task == "classification":
        yield _rate(options, Counted.UNSURE, options.unsure_rate)
    by_input = (Grouping.VERSION, Grouping.COLUMN)
    bounds = {Counted.MISSING: options.missing_rate, Counted.UNSEEN: options.unseen_rate}
    for part, bound in bounds.items():
        if bound and shape.columns(part):
            yield _rate(options, part, bound)._replace(by=by_input)


def _rate(options: Alerts, part: Counted, bound: str) -> Alert:
    name, title = RATES[part]
    sign, limit = bound_parts(bound)
    severity: Severity = "critical" if part in _CRITICAL else "warning"
    return Alert(
        name=name,
        title=title,
        measure=rate(part),
        sign=sign,
        limit=limit,
        window=duration_seconds(options.window),
        interval=duration_seconds(options.interval),
        least=options.min_requests,
        enough=part.whole,
        severity=severity,
    )
