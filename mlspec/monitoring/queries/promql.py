"""The query model in PromQL over the metrics of the server, for alert rules and Grafana.

Counters carry `model` and `version`, those of inputs `input`. A percentile is interpolated in the buckets of a
histogram. None stands for a measure that has no metric. What
`mlspec monitor` reports are gauges.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, NamedTuple, assert_never

from mlspec.monitoring.queries.measure import UNROUTED, Count, Counted, Latest, Mean, Measure, Percentile, Rate
from mlspec.monitoring.queries.query import Grouping

PREDICTION_ROUTES: Final = "/predict|/v2/models/.+/infer"
REQUEST_ROUTES: Final = f"{PREDICTION_ROUTES}|other"
"""`other` has the requests that were refused before their path was known."""
REQUESTS: Final = "mlspec_requests_total"
SECONDS: Final = "mlspec_request_seconds"
SCORE: Final = "mlspec_prediction_score"
LABELS: Final[dict[Grouping, str]] = {
    Grouping.VERSION: "version",
    Grouping.LABEL: "label",
    Grouping.COLUMN: "input",
    Grouping.METRIC: "metric",
    Grouping.SLICE: "slice",
}
SECOND_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency histogram; a percentile above the last one is reported as the last one."""
_ROWS: Final[dict[Counted, str]] = {
    Counted.PREDICTIONS: "mlspec_rows_total",
    Counted.UNSURE: "mlspec_low_confidence_predictions_total",
    Counted.MISSING: "mlspec_input_missing_total",
    Counted.UNSEEN: "mlspec_input_unseen_total",
}
_INPUTS: Final = (Counted.MISSING, Counted.UNSEEN)
_OBSERVED: Final = "mlspec_observed_rows_total"
"""Rows whose inputs and scores were counted."""
_REPORTED: Final = "mlspec_monitor_"
_SLICE: Final = 'label_join({}, "slice", "=", "slice", "value")'
"""The slice as documents have it: `town=Bonn` of the labels `slice` and `value`."""
DRIFT_ALARM: Final = f"{_REPORTED}drift_alarm_open"
QUALITY_ALARM: Final = f"{_REPORTED}quality_alarm_open"
SLICE_ALARM: Final = f"{_REPORTED}slice_quality_alarm_open"
MEASURED_AT: Final = f"{_REPORTED}time_seconds"


class Scope(NamedTuple):
    """The model, the time range of a value, and further matchers: `Scope("cola", "5m")`."""

    model: str
    window: str
    more: tuple[str, ...] = ()

    def vector(self, metric: str, *matchers: str) -> str:
        """The selector of a metric."""
        return f"{metric}{{{','.join((f'model={quoted(self.model)}', *matchers, *self.more))}}}"

    def over(self, function: str, metric: str, *matchers: str) -> str:
        """`rate` or `increase` of a counter over the time range."""
        return f"{function}({self.vector(metric, *matchers)}[{self.window}])"


def expression(measure: Measure, by: Sequence[Grouping], scope: Scope) -> str | None:
    """The measure for each group."""
    labels = [LABELS[grouping] for grouping in by if grouping in LABELS]
    match measure:
        case Count():
            metric = "rate" if measure.per_second else "increase"
            return _count(measure.counted, labels, scope, metric)
        case Rate():
            return _rate(measure, labels, scope)
        case Percentile():
            return _percentile(measure, labels, scope)
        case Mean():
            return _mean(measure, labels, scope)
        case Latest():
            reported = scope.vector(_REPORTED + measure.reported)
            return f"max{_by(labels)}({_SLICE.format(reported) if Grouping.SLICE in by else reported})"
        case _:
            assert_never(measure)


def deployments(scope: Scope) -> str:
    """A version for as long as it has existed for less than the time range."""
    info = scope.vector("mlspec_model_info")
    return f"count by (version) ({info}) unless count by (version) ({info} offset {scope.window})"


def quoted(text: str) -> str:
    """A string literal."""
    return json.dumps(text, ensure_ascii=False)


def _by(labels: Sequence[str]) -> str:
    return f" by ({', '.join(labels)}) " if labels else ""


def _count(counted: Counted, labels: Sequence[str], scope: Scope, function: str = "increase") -> str:
    if counted.statuses is not None:
        return f"sum{_by(labels)}({scope.over(function, REQUESTS, *_request_matchers(counted))})"
    metric = "mlspec_predictions_total" if "label" in labels else _ROWS[counted]
    return f"sum{_by(labels)}({scope.over(function, metric)})"


def _rate(rate: Rate, labels: Sequence[str], scope: Scope) -> str:
    if rate.part in _INPUTS:
        return _input_rate(rate, labels, scope)
    if rate.part is Counted.UNSURE:
        part, whole = (f"sum{_by(labels)}({scope.over('increase', m)})" for m in (_ROWS[rate.part], _OBSERVED))
        return f"{part} / {whole}"
    part, whole = _count(rate.part, labels, scope), _count(rate.whole, labels, scope)
    # A status has a counter from its first request on; without one its count is 0, as long as there are requests.
    return f"({part} or 0 * {whole}) / {whole}"


def _input_rate(rate: Rate, labels: Sequence[str], scope: Scope) -> str:
    own = (f"input={quoted(rate.column)}",) if rate.column else ()
    part = f"sum{_by(labels)}({scope.over('increase', _ROWS[rate.part], *own)})"
    others = [label for label in labels if label != "input"]
    whole = f"sum{_by(others)}({scope.over('increase', _OBSERVED)})"
    return f"{part} / on ({', '.join(others)}) group_left {whole}" if "input" in labels else f"{part} / {whole}"


def _percentile(percentile: Percentile, labels: Sequence[str], scope: Scope) -> str | None:
    grouped = _by([*labels, "le"])
    if percentile.quantity == "latency":
        buckets = scope.over("rate", f"{SECONDS}_bucket", f"route=~{quoted(PREDICTION_ROUTES)}")
        return f"1000 * histogram_quantile({percentile.percent / 100:g}, sum{grouped}({buckets}))"
    if percentile.quantity == "score":
        buckets = scope.over("rate", f"{SCORE}_bucket")
        return f"histogram_quantile({percentile.percent / 100:g}, sum{grouped}({buckets}))"
    return None


def _mean(mean: Mean, labels: Sequence[str], scope: Scope) -> str | None:
    if mean.quantity == "value":
        return None
    metric, factor = (SECONDS, "1000 * ") if mean.quantity == "latency" else (SCORE, "")
    matchers = (f"route=~{quoted(PREDICTION_ROUTES)}",) if mean.quantity == "latency" else ()
    total, count = (scope.over("rate", f"{metric}_{end}", *matchers) for end in ("sum", "count"))
    return f"{factor}sum{_by(labels)}({total}) / sum{_by(labels)}({count})"


def _request_matchers(counted: Counted) -> tuple[str, ...]:
    statuses = counted.statuses or ()
    routes = f"route=~{quoted(REQUEST_ROUTES)}"
    without = {status for s in statuses for status in s.without}
    if any(status in s for s in statuses for status in UNROUTED):
        without |= set(UNROUTED)
    texts = [
        str(s.low) if s.low == s.high else "|".join(f"{h}.." for h in range(s.low // 100, s.high // 100 + 1))
        for s in statuses
    ]
    only = () if counted is Counted.REQUESTS else (f"status=~{quoted('|'.join(texts))}",)
    return (routes, *only, *((f"status!~{quoted('|'.join(map(str, sorted(without))))}",) if without else ()))
