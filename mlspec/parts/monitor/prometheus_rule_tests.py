"""Unit tests for `promtool test rules`: every alert fires just above its limit, and is silent below it.

A test is a synthetic history of counters. Version 1 is healthy and has ten times the traffic of version 2, in which the
incident happens. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from mlspec.monitoring.queries import promql
from mlspec.monitoring.queries.alerts import Alert
from mlspec.monitoring.queries.measure import Counted, Percentile, Rate
from mlspec.monitoring.queries.query import Grouping, ModelShape
from mlspec.parts.monitor import prometheus_rules as rules
from mlspec.parts.monitor.prometheus_rules import RuleGroup, RuleOptions, duration, value_text
from mlspec.spec.types import holds

_PARTS: Final = 10_000
"""Requests in a step, so that fractions in the texts of alerts are exact."""
_SAMPLES: Final = 20
"""Samples in the window of a rule."""
_STATUS: Final = {Counted.ERRORS: 500, Counted.REFUSED: 422, Counted.TIMEOUTS: 504, Counted.THROTTLED: 429}
_FLAGGED: Final = {
    Counted.UNSURE: "mlspec_low_confidence_predictions_total",
    Counted.MISSING: "mlspec_input_missing_total",
    Counted.UNSEEN: "mlspec_input_unseen_total",
}
_WHOLE: Final = {
    Counted.UNSURE: ("mlspec_rows_total", "mlspec_observed_rows_total"),
    Counted.MISSING: ("mlspec_rows_total", "mlspec_observed_rows_total"),
    Counted.UNSEEN: ("mlspec_rows_total", "mlspec_observed_rows_total"),
}


class CounterSeries(NamedTuple):
    """A counter that grows by `step` with each sample until the sample `last`, then stays; or a gauge of step 0."""

    metric: str
    labels: Mapping[str, str]
    step: int
    last: int | None = None
    start: int = 0

    def text(self) -> str:
        """The name of the series."""
        return f"{self.metric}{{{', '.join(f'{key}={promql.quoted(value)}' for key, value in self.labels.items())}}}"

    def values(self, samples: int) -> str:
        """The samples in the notation of promtool."""
        if self.last is None:
            return f"{self.start}+{self.step}x{samples}"
        return f"0+{self.step}x{self.last} {self.step * self.last}+0x{samples}"


class ExpectedAlert(NamedTuple):
    """An alert that must fire, or with `labels` None must not."""

    name: str
    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None


class RuleTest(NamedTuple):
    """A history of counters, and the alerts at its end."""

    name: str
    step: int
    end: int
    series: tuple[CounterSeries, ...]
    expected: tuple[ExpectedAlert, ...]

    @property
    def samples(self) -> int:
        """Samples of each series."""
        return self.end // self.step + 2

    @property
    def every(self) -> str:
        """The time between two samples."""
        return duration(self.step)

    @property
    def at(self) -> str:
        """The time at which the alerts are compared."""
        return duration(self.end)


class RuleTestFile(NamedTuple):
    """Tests whose rules are evaluated at the same interval."""

    path: str
    interval: int
    tests: tuple[RuleTest, ...]

    @property
    def every(self) -> str:
        """The value of `evaluation_interval`."""
        return duration(self.interval)


def rule_test_files(
    group: RuleGroup, alerts: Sequence[Alert], shape: ModelShape, options: RuleOptions
) -> tuple[RuleTestFile, ...]:
    """Tests of all rules of a project. Those that last for days have files of their own, evaluated more rarely."""
    noisy = [alert for alert in alerts if not alert.silence]
    tests = [test for alert in noisy for test in _Tests(alert, shape, options, group).tests()]
    tests += [*_healthy(group, noisy, options), *_server(group, options), *_monitored(group, options)]
    files = [RuleTestFile("prometheus/rules_test.yml", options.interval, tuple(tests))]
    hourly = options._replace(interval=max(options.interval, rules.DAY // 24))
    files.append(RuleTestFile("prometheus/rules_monitor_test.yml", hourly.interval, tuple(_measured(group, hourly))))
    for alert in alerts:
        if alert.silence:
            rare = options._replace(interval=max(options.interval, alert.window // 10))
            silence = tuple(_Tests(alert, shape, rare, group).tests())
            files.append(RuleTestFile("prometheus/rules_silence_test.yml", rare.interval, silence))
    return tuple(files)


def _end(window: int, options: RuleOptions) -> int:
    """A time of evaluation at which a condition of that window has held for longer than `pending`."""
    evaluations = math.ceil(window / options.interval) + math.ceil(options.pending / options.interval) + 2
    return evaluations * options.interval


class _Tests(NamedTuple):
    """The tests of one alert."""

    alert: Alert
    shape: ModelShape
    options: RuleOptions
    group: RuleGroup

    def tests(self) -> Iterator[RuleTest]:
        if self.alert.silence:
            yield from self._silence()
        elif isinstance(self.alert.measure, Percentile):
            yield from self._latency()
        elif isinstance(self.alert.measure, Rate):
            yield from self._rate(self.alert.measure.part)

    def _test(self, name: str, series: Sequence[CounterSeries], *expected: ExpectedAlert) -> RuleTest:
        step, end = max(1, self.alert.window // _SAMPLES), _end(self.alert.window, self.options)
        title = f"{rules.alert_name(self.alert)}: {name}"
        return RuleTest(title, step, end, tuple(series), expected or (ExpectedAlert(rules.alert_name(self.alert)),))

    def _fires(self, value: float, **labels: str) -> ExpectedAlert:
        rule = next(r for r in self.group.alerting if r.alert == rules.alert_name(self.alert))
        shown = {key: _filled(text, labels, value, self.alert) for key, text in rule.annotations.items()}
        return ExpectedAlert(rule.alert, {**rule.labels, **labels}, shown)

    def _rate(self, part: Counted) -> Iterator[RuleTest]:
        scale = max(1, math.ceil(self.alert.least / _PARTS))
        above, below = _around(self.alert)
        healthy = _counted(part, self._labels("1"), 10 * _PARTS * scale, 0)
        named = dict(self._first_input(part))
        if above is not None:
            canary = _counted(part, self._labels("2", **named), _PARTS * scale, above * scale)
            firing = self._fires(above / _PARTS, version="2", **named)
            yield self._test("fires for a canary above the limit", (*healthy, *canary), firing)
            if self.alert.least > _SAMPLES + 2:
                few = _counted(part, self._labels("2", **named), 1, 1)
                yield self._test("is silent with few requests", (*healthy, *few))
        canary = _counted(part, self._labels("2", **named), _PARTS * scale, below * scale)
        yield self._test("is silent below the limit", (*healthy, *canary))

    def _latency(self) -> Iterator[RuleTest]:
        scale = max(1, math.ceil(self.alert.least / _PARTS))
        near = sorted((_latency_near(self.alert.limit * factor) for factor in (0.9, 1.1)), key=_p95)
        ends = (_Latency(0), *near, _Latency(len(promql.SECOND_BUCKETS)))
        slow = next((latency for latency in ends if holds(self.alert.bound, _p95(latency))), None)
        fast = next((latency for latency in reversed(ends) if not holds(self.alert.bound, _p95(latency))), None)
        if slow is not None:
            canary = _latencies(self._labels("2"), slow, scale)
            quick = _latencies(self._labels("1"), ends[0], 10 * scale) if fast else ()
            yield self._test("fires for a slow canary", (*quick, *canary), self._fires(_p95(slow), version="2"))
            if self.alert.least > _SAMPLES + 2:
                slowest = _latencies(self._labels("2"), ends[-1], 1)
                few = [s._replace(step=min(s.step, 1)) for s in slowest]
                yield self._test("is silent with few requests", few)
        if fast is not None:
            yield self._test("is silent below the limit", _latencies(self._labels("2"), fast, scale))

    def _silence(self) -> Iterator[RuleTest]:
        requests = CounterSeries(promql.REQUESTS, _request_labels(self._labels("1"), 200), 1)
        stopped = requests._replace(last=1)
        test = self._test("fires if there was never a request", (), self._fires(0))
        yield test
        end = test.end + math.ceil(2 * self.alert.window / self.options.interval) * self.options.interval
        yield self._test("fires if requests stop", (stopped,), self._fires(0))._replace(end=end)
        yield self._test("is silent while requests arrive", (requests,))

    def _labels(self, version: str, **more: str) -> dict[str, str]:
        return {"model": self.options.model, "version": version, **more}

    def _first_input(self, part: Counted) -> Iterator[tuple[str, str]]:
        if Grouping.COLUMN in self.alert.by:
            yield "input", self.shape.columns(part)[0]


def _around(alert: Alert) -> tuple[int | None, int]:
    """The smallest number of _PARTS that fires the alert, and the largest below it that does not."""
    fires = next((n for n in _near(alert.limit) if holds(alert.bound, n / _PARTS)), None)
    if fires is None:
        return None, _PARTS
    return fires, max(fires - 2, 0)


def _near(limit: float) -> range:
    return range(max(0, math.floor(limit * _PARTS) - 1), _PARTS + 1)


def _counted(part: Counted, labels: Mapping[str, str], whole: int, bad: int) -> Iterator[CounterSeries]:
    """Counters of which `bad` of `whole` in each step are of the kind."""
    if part in _STATUS:
        yield CounterSeries(promql.REQUESTS, _request_labels(labels, 200), whole - bad)
        if bad:
            yield CounterSeries(promql.REQUESTS, _request_labels(labels, _STATUS[part]), bad)
        return
    total = {key: value for key, value in labels.items() if key != "input"}
    yield from (CounterSeries(metric, total, whole) for metric in _WHOLE[part])
    yield CounterSeries(_FLAGGED[part], labels, bad)


def _request_labels(labels: Mapping[str, str], status: int) -> dict[str, str]:
    return {**labels, "route": "/predict", "status": str(status)}


class _Latency(NamedTuple):
    """Latencies in one bucket of the histogram, except `faster` of _PARTS, which are in the first one."""

    bucket: int
    faster: int = 0


def _latencies(labels: Mapping[str, str], latency: _Latency, scale: int) -> tuple[CounterSeries, ...]:
    """The counters of `scale` times _PARTS requests."""
    bounds = [*(f"{bound:g}" for bound in promql.SECOND_BUCKETS), "+Inf"]
    metric, routed = f"{promql.SECONDS}_bucket", {**labels, "route": "/predict"}
    parts = (_PARTS if index >= latency.bucket else latency.faster for index in range(len(bounds)))
    buckets = (
        CounterSeries(metric, {**routed, "le": bound}, count * scale)
        for bound, count in zip(bounds, parts, strict=True)
    )
    return (CounterSeries(promql.REQUESTS, _request_labels(labels, 200), _PARTS * scale), *buckets)


def _latency_near(milliseconds: float) -> _Latency:
    """Latencies whose 95th percentile is near a value, as far as the buckets allow."""
    seconds = milliseconds / 1000
    bucket = next((i for i, bound in enumerate(promql.SECOND_BUCKETS) if seconds <= bound), len(promql.SECOND_BUCKETS))
    if bucket in (0, len(promql.SECOND_BUCKETS)):
        return _Latency(bucket)
    low, high = promql.SECOND_BUCKETS[bucket - 1 : bucket + 1]
    reached = (seconds - low) / (high - low)
    return _Latency(bucket, math.floor(max(0.0, (0.95 - reached) / (1 - reached)) * _PARTS) if reached < 1 else 0)


def _p95(latency: _Latency) -> float:
    """Their 95th percentile in ms, as Prometheus interpolates it."""
    bounds = (0.0, *promql.SECOND_BUCKETS)
    if latency.bucket == len(promql.SECOND_BUCKETS):
        return 1000 * bounds[-1]
    low, high = bounds[latency.bucket : latency.bucket + 2]
    return 1000 * (low + (high - low) * ((0.95 * _PARTS - latency.faster) / (_PARTS - latency.faster)))


def _filled(text: str, labels: Mapping[str, str], value: float, alert: Alert) -> str:
    """An annotation with its labels and its value."""
    return _labelled(text, labels).replace(rules.shown(alert.measure.unit), value_text(value, alert.measure.unit))


def _healthy(group: RuleGroup, alerts: Sequence[Alert], options: RuleOptions) -> Iterator[RuleTest]:
    """Neither healthy traffic nor the lack of traffic raises an alert."""
    window = max((alert.window for alert in alerts), default=options.interval)
    step, end = max(1, window // _SAMPLES), _end(window, options)
    labels = {"model": options.model, "version": "1"}
    series = _latencies(labels, _Latency(0), 1)
    slow = {
        rules.alert_name(a) for a in alerts if isinstance(a.measure, Percentile) and holds(a.bound, _p95(_Latency(0)))
    }
    names = [rules.alert_name(alert) for alert in alerts]
    names += [rule.alert for rule in group.alerting if rule.alert in (rules.UNREACHABLE, rules.NOT_LOGGED)]
    quick = tuple(ExpectedAlert(name) for name in names if name not in slow)
    yield RuleTest("healthy traffic", step, end, series, quick)
    yield RuleTest("no traffic is not an error", step, end, (), tuple(map(ExpectedAlert, names)))


def _server(group: RuleGroup, options: RuleOptions) -> Iterator[RuleTest]:
    labelled = {rule.alert: rule for rule in group.alerting}
    end = _end(options.interval, options)
    up = {"job": options.job, "instance": "serve:8080"}
    rule = labelled[rules.UNREACHABLE]
    shown = {key: text.replace("{{ $labels.instance }}", up["instance"]) for key, text in rule.annotations.items()}
    fires = ExpectedAlert(rule.alert, {**rule.labels, **up}, shown)
    yield RuleTest("an unreachable server", 60, end, (CounterSeries("up", up, 0),), (fires,))
    rule, model = labelled[rules.NOT_LOGGED], {"model": options.model, "version": "1"}
    full = CounterSeries(rules.DROPPED, {**model, "reason": "queue_full"}, 1)
    yield _not_logged("predictions that are not logged", rule, full, "queue_full", options)
    for outcome in ("dropped", "refused"):
        unsent = CounterSeries(rules.NOT_SENT, {**model, "outcome": outcome}, 1)
        name = f"predictions that Elasticsearch does not have: {outcome}"
        yield _not_logged(name, rule, unsent, f"elasticsearch_{outcome}", options)
    stored = CounterSeries(rules.NOT_SENT, {**model, "outcome": "stored"}, 1)
    yield RuleTest(
        "predictions that Elasticsearch has", 60, _end(3600, options), (stored,), (ExpectedAlert(rule.alert),)
    )


def _not_logged(
    name: str, rule: rules.AlertingRule, series: CounterSeries, reason: str, options: RuleOptions
) -> RuleTest:
    labels = {"version": "1", "reason": reason}
    shown = {key: _labelled(text, labels) for key, text in rule.annotations.items()}
    fires = ExpectedAlert(rule.alert, {**rule.labels, **labels}, shown)
    return RuleTest(name, 60, _end(3600, options), (series,), (fires,))


def _monitored(group: RuleGroup, options: RuleOptions) -> Iterator[RuleTest]:
    """Alerts on gauges of `mlspec monitor`: 1 is an open alarm."""
    model = {"model": options.model}
    of_input = {"version": "2", "input": "input.age"}
    yield from _gauge(group, rules.DRIFT, promql.DRIFT_ALARM, model, of_input, options)
    yield from _gauge(group, rules.QUALITY, promql.QUALITY_ALARM, model, {"version": "2"}, options)
    if options.sliced:
        of_slice = {"version": "2", "slice": "town", "value": "Bonn"}
        yield from _gauge(group, rules.SLICE_QUALITY, promql.SLICE_ALARM, model, of_slice, options)


def _measured(group: RuleGroup, options: RuleOptions) -> Iterator[RuleTest]:
    """The gauges must not be older than a day."""
    time = (CounterSeries(promql.MEASURED_AT, {"model": options.model}, 0),)
    rule = next(rule for rule in group.alerting if rule.alert == rules.NOT_MONITORED)
    fires = ExpectedAlert(rule.alert, rule.labels, rule.annotations)
    late, early = rules.DAY + _end(rule.pending, options), rules.DAY - 2 * options.interval
    yield RuleTest(f"{rule.alert}: fires after a day", options.interval, late, time, (fires,))
    never = _end(2 * rule.pending, options)
    yield RuleTest(f"{rule.alert}: fires if it never was measured", options.interval, never, (), (fires,))
    yield RuleTest(f"{rule.alert}: is silent before", options.interval, early, time, (ExpectedAlert(rule.alert),))


def _gauge(
    group: RuleGroup, name: str, metric: str, model: Mapping[str, str], labels: Mapping[str, str], options: RuleOptions
) -> Iterator[RuleTest]:
    rule = next(rule for rule in group.alerting if rule.alert == name)
    end, closed = _end(options.interval, options), CounterSeries(metric, {**model, **labels, "version": "1"}, 0)
    opened = CounterSeries(metric, {**model, **labels}, 0, start=1)
    shown = {key: _labelled(text, labels) for key, text in rule.annotations.items()}
    fires = ExpectedAlert(name, {**rule.labels, **labels}, shown)
    yield RuleTest(f"{name}: fires for an open alarm", 60, end, (closed, opened), (fires,))
    yield RuleTest(f"{name}: is silent without one", 60, end, (closed,), (ExpectedAlert(name),))


def _labelled(text: str, labels: Mapping[str, str]) -> str:
    for key, label in labels.items():
        text = text.replace(f"{{{{ $labels.{key} }}}}", label)
    return text
