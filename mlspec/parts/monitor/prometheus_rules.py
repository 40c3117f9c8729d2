"""Recording and alert rules of Prometheus: the measure of each alert is recorded, and the alert compares it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from mlspec.monitoring.queries import promql
from mlspec.monitoring.queries.alerts import HELP, Alert
from mlspec.monitoring.queries.measure import Count, Unit
from mlspec.monitoring.queries.query import Grouping

UNREACHABLE: Final = "ModelUnreachable"
DRIFT: Final = "ModelDrift"
QUALITY: Final = "ModelQuality"
SLICE_QUALITY: Final = "ModelSliceQuality"
NOT_MONITORED: Final = "ModelNotMonitored"
MONITORED: Final = (DRIFT, QUALITY, SLICE_QUALITY, NOT_MONITORED)
"""Alerts on what `mlspec monitor` measures."""
NOT_LOGGED: Final = "ModelPredictionsNotLogged"
DROPPED: Final = "mlspec_prediction_log_dropped_total"
NOT_SENT: Final = "mlspec_elasticsearch_documents_total"
_HOUR: Final = 3600
DAY: Final = 86_400


class RecordingRule(NamedTuple):
    """A series with the result of an expression."""

    record: str
    expr: str
    labels: Mapping[str, str]


class AlertingRule(NamedTuple):
    """An alert for each element of the result of an expression."""

    alert: str
    expr: str
    pending: int
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def hold(self) -> str:
        """The value of `for`."""
        return duration(self.pending)


class RuleGroup(NamedTuple):
    """Rules that are evaluated one after the other, every `interval` seconds."""

    name: str
    interval: int
    recording: tuple[RecordingRule, ...]
    alerting: tuple[AlertingRule, ...]

    @property
    def every(self) -> str:
        """The value of `interval`."""
        return duration(self.interval)


class RuleOptions(NamedTuple):
    """What the rules of a project have in common."""

    model: str
    job: str
    interval: int
    pending: int
    labels: Mapping[str, str] = {}
    runbook: str | None = None
    sliced: bool = False
    """Whether the quality of slices is judged."""


def group(alerts: Sequence[Alert], options: RuleOptions) -> RuleGroup:
    """The rules of a project, with those of the server itself."""
    recording = {rule.record: rule for alert in alerts for rule in _recording(alert, options)}
    alerting = (*(_alerting(alert, options) for alert in alerts), *_of_server(options), *_of_monitor(options))
    return RuleGroup(f"mlspec-{options.model}", options.interval, tuple(recording.values()), alerting)


def alert_name(alert: Alert) -> str:
    """The name of the alert in Prometheus: `ModelErrorRate`."""
    return "Model" + "".join(word.capitalize() for word in alert.name.split("-"))


def duration(seconds: int) -> str:
    """A duration in the largest unit in which it is a whole number."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _recording(alert: Alert, options: RuleOptions) -> Iterator[RecordingRule]:
    scope, labels = promql.Scope(options.model, duration(alert.window)), {"model": options.model}
    measured = promql.expression(alert.measure, alert.by, scope)
    if measured is None:
        return
    if alert.silence:
        # Without any series the sum has no element, and no traffic would be no alert.
        yield RecordingRule(_measured(alert), f"{measured} or vector(0)", labels)
        return
    enough = promql.expression(Count(alert.enough), (Grouping.VERSION,), scope)
    yield RecordingRule(_enough(alert), str(enough), labels)
    yield RecordingRule(_measured(alert), measured, labels)


def _measured(alert: Alert) -> str:
    return f"mlspec:{alert.name.replace('-', '_')}:{duration(alert.window)}"


def _enough(alert: Alert) -> str:
    return f"mlspec:{alert.enough.value}:increase{duration(alert.window)}"


def _alerting(alert: Alert, options: RuleOptions) -> AlertingRule:
    model = f"{{model={promql.quoted(options.model)}}}"
    expr = f"{_measured(alert)}{model} {alert.bound}"
    if not alert.silence:
        expr += f" and on (version) {_enough(alert)}{model} >= {alert.least}"
    who = f"{options.model}{' {{ $labels.version }}' if alert.by else ''}"
    what = alert.title + (" of {{ $labels.input }}" if Grouping.COLUMN in alert.by else "")
    value, limit = shown(alert.measure.unit), limit_text(alert)
    window = duration(alert.window)
    texts = {
        "summary": f"{who}: no request for {window}" if alert.silence else f"{who}: {what} {value}",
        "description": f"No request was counted in the last {window}."
        if alert.silence
        else f"{what} was {value} in the last {window}; the alert fires at {alert.sign} {limit}.",
        "action": HELP[alert.name],
    }
    return _rule(alert_name(alert), expr, alert.severity, texts, options)


def shown(unit: Unit) -> str:
    """The value of an alert in the template language of annotations."""
    if unit == "fraction":
        return "{{ $value | humanizePercentage }}"
    return '{{ $value | printf "%.4g" }}' + (" ms" if unit == "milliseconds" else "")


def value_text(value: float, unit: Unit) -> str:
    """The same text for a known value."""
    return f"{value * 100:.4g}%" if unit == "fraction" else f"{value:.4g}{' ms' if unit == 'milliseconds' else ''}"


def limit_text(alert: Alert) -> str:
    """The limit with its unit."""
    return value_text(alert.limit, alert.measure.unit)


def _of_server(options: RuleOptions) -> Iterator[AlertingRule]:
    up = f"up{{job={promql.quoted(options.job)}}}"
    down = {
        "summary": f"{options.model}: {{{{ $labels.instance }}}} cannot be scraped",
        "description": "Prometheus cannot read the metrics of the server: it is down or unreachable.",
        "action": "check that the server runs, and that Prometheus reaches its port: `mlspec status`",
    }
    yield _rule(UNREACHABLE, f"{up} == 0", "critical", down, options)
    scope = promql.Scope(options.model, duration(_HOUR))
    unsent = scope.over("increase", NOT_SENT, 'outcome=~"dropped|refused"')
    unsent = f'label_replace({unsent}, "reason", "elasticsearch_$1", "outcome", "(.*)")'
    dropped = f"sum by (version, reason) ({scope.over('increase', DROPPED)} or {unsent}) > 0"
    lost = {
        "summary": f"{options.model} {{{{ $labels.version }}}}: predictions are not logged ({{{{ $labels.reason }}}})",
        "description": "The server answers, and some predictions are missing from the log or from Elasticsearch.",
        "action": "read why in the log of the server, `mlspec logs serve`; free disk space, or store fewer; of "
        "Elasticsearch correct the address, the key or the field that it names",
    }
    yield _rule(NOT_LOGGED, dropped, "warning", lost, options)


def _of_monitor(options: RuleOptions) -> Iterator[AlertingRule]:
    scope = promql.Scope(options.model, "")
    who = f"{options.model} {{{{ $labels.version }}}}"
    moved = {
        "summary": f"{who}: {{{{ $labels.input }}}} has drifted",
        "description": "Live data differs from the training data. `mlspec monitor` shows how much and since when.",
        "action": "examine the rows that `mlspec monitor` shows; to measure what the change costs, add labels: "
        "`mlspec labels add FILE`",
    }
    opened = f"max by (version, input) ({scope.vector(promql.DRIFT_ALARM)}) == 1"
    yield _rule(DRIFT, opened, "warning", moved, options)
    worse = {
        "summary": f"{who}: the quality on labelled predictions fell",
        "description": "The model is worse than on the test split by more than monitor.quality.tolerance.",
        "action": "train on the new labels, `mlspec monitor retrain`, or go back, `mlspec rollback`",
    }
    fell = f"max by (version) ({scope.vector(promql.QUALITY_ALARM)}) == 1"
    yield _rule(QUALITY, fell, "critical", worse, options)
    if options.sliced:
        lower = {
            "summary": f"{who}: the quality fell where {{{{ $labels.slice }}}} is {{{{ $labels.value }}}}",
            "description": "The model is worse in this slice than before by more than monitor.quality.tolerance, and "
            "not on all rows. The value `other` stands for those that the test split lacks.",
            "action": "examine the rows that `mlspec monitor` shows, then train with more labelled rows of the slice: "
            "`mlspec monitor retrain`",
        }
        opened = f"max by (version, slice, value) ({scope.vector(promql.SLICE_ALARM)}) == 1"
        yield _rule(SLICE_QUALITY, opened, "warning", lower, options)
    late = {
        "summary": f"{options.model}: drift and quality are not measured",
        "description": "`mlspec monitor` does not run, or does not reach Prometheus: drift and quality go unseen.",
        "action": "run `mlspec monitor` on a schedule, and check monitor.prometheus.pushgateway",
    }
    at = scope.vector(promql.MEASURED_AT)
    # A gauge that was never there, or is gone with its Pushgateway, has no age.
    measured = f"time() - max({at}) > {DAY} or absent({at})"
    yield _rule(NOT_MONITORED, measured, "warning", late, options, pending=_HOUR)


def _rule(
    name: str, expr: str, severity: str, texts: Mapping[str, str], options: RuleOptions, *, pending: int = 0
) -> AlertingRule:
    runbook = {"runbook_url": f"{options.runbook.rstrip('/')}/{name}"} if options.runbook else {}
    labels = {"severity": severity, "model": options.model, **options.labels}
    return AlertingRule(name, expr, max(options.pending, pending), labels, {**texts, **runbook})
