"""CloudWatch alarms on what the clients of a function notice, as values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from pydantic import JsonValue

from mlspec.aws.resource_tags import to_pairs
from mlspec.sections.deploy import Lambda, RequestBounds
from mlspec.spec.types import bound_parts, duration_seconds

NAMESPACE: Final = "AWS/Lambda"
_OPERATORS: Final = {">": "GreaterThanThreshold", ">=": "GreaterThanOrEqualToThreshold"}


@dataclass(frozen=True, slots=True)
class RateExpression:
    """The expression of a rate, that of what it is a fraction of, and Lambda's metrics by their names in both."""

    expression: str
    whole: str
    metrics: Mapping[str, str]

    def from_requests(self, least: int) -> RateExpression:
        """The rate, which is 0 while it is a fraction of fewer than `least` requests."""
        if least <= 1:
            return self
        return replace(self, expression=f"IF({self.whole} >= {least}, {self.expression}, 0)")


_RATES: Final[Mapping[str, RateExpression]] = {
    "error_rate": RateExpression("errors / calls", "calls", {"errors": "Errors", "calls": "Invocations"}),
    "throttle_rate": RateExpression(
        "throttles / (calls + throttles)", "calls + throttles", {"throttles": "Throttles", "calls": "Invocations"}
    ),
}


@dataclass(frozen=True, slots=True)
class MetricAlarm:
    """One alarm: the name of what it measures (`error_rate`), its bound, and the metrics' dimensions in order."""

    name: str
    description: str
    measure: str
    bound: str
    seconds: int
    """Over which each value is measured."""
    dimensions: Mapping[str, JsonValue]
    """Values are texts, or references of a template."""
    topics: tuple[str, ...] = ()
    """ARNs of the SNS topics that are notified."""
    tags: Mapping[str, str] = field(default_factory=dict)
    least: int = 1
    """Smallest number of requests of which a rate can raise the alarm."""

    @property
    def rate(self) -> RateExpression | None:
        """How it is computed; None of a percentile."""
        rate = _RATES.get(self.measure)
        return rate and rate.from_requests(self.least)

    @property
    def percentile(self) -> str:
        """The statistic of a latency: `p95`."""
        return self.measure.removesuffix("_ms")

    @property
    def operator(self) -> str:
        """The comparison, in the words of CloudWatch."""
        return _OPERATORS[bound_parts(self.bound)[0]]

    @property
    def threshold(self) -> int | float:
        """The number of the bound."""
        number = bound_parts(self.bound)[1]
        return int(number) if number == int(number) else number

    def settings(self) -> dict[str, JsonValue]:
        """Input of PutMetricAlarm, and properties of CloudFormation, but for name and tags."""
        actions: dict[str, JsonValue] = {"AlarmActions": list(self.topics), "OKActions": list(self.topics)}
        return {
            "AlarmDescription": self.description,
            **(self._rate(self.rate) if self.rate else self._percentile()),
            "EvaluationPeriods": 1,
            "ComparisonOperator": self.operator,
            "Threshold": self.threshold,
            "TreatMissingData": "notBreaching",
            **(actions if self.topics else {}),
        }

    def to_request(self) -> dict[str, JsonValue]:
        """Input of `aws cloudwatch put-metric-alarm`."""
        return {"AlarmName": self.name, **self.settings(), "Tags": [dict(pair) for pair in to_pairs(self.tags)]}

    def _rate(self, rate: RateExpression) -> dict[str, JsonValue]:
        whole: JsonValue = {"Id": "rate", "Label": self.measure, "Expression": rate.expression, "ReturnData": True}
        return {"Metrics": [whole, *(self._count(id, metric) for id, metric in rate.metrics.items())]}

    def _count(self, id: str, metric: str) -> JsonValue:
        counted: JsonValue = {"Namespace": NAMESPACE, "MetricName": metric, "Dimensions": self._dimensions()}
        return {"Id": id, "MetricStat": {"Metric": counted, "Period": self.seconds, "Stat": "Sum"}, "ReturnData": False}

    def _percentile(self) -> dict[str, JsonValue]:
        return {
            "Namespace": NAMESPACE,
            "MetricName": "Duration",
            "Dimensions": self._dimensions(),
            "ExtendedStatistic": self.percentile,
            "Period": self.seconds,
            "EvaluateLowSampleCountPercentile": "ignore",
        }

    def _dimensions(self) -> JsonValue:
        return [{"Name": name, "Value": value} for name, value in self.dimensions.items()]


def service_alarms(function: str, options: Lambda, tags: Mapping[str, str]) -> tuple[MetricAlarm, ...]:
    """The alarms of `deploy.lambda.alarms`, on all requests to the alias of the function of that name."""
    alarms, alias = options.alarms, options.alias
    if alarms is None:
        return ()
    return tuple(
        MetricAlarm(
            name=service_alarm_name(function, alias, measure),
            description=f"Requests to {function}, all versions: {measure} {bound}",
            measure=measure,
            bound=bound,
            seconds=duration_seconds(alarms.window),
            dimensions={"FunctionName": function, "Resource": f"{function}:{alias}"},
            topics=tuple(alarms.notify),
            tags=tags,
            least=alarms.min_requests,
        )
        for measure, bound in alarms.given().items()
    )


def evaluated_metrics(measure: str) -> int:
    """The number of metrics that an alarm on it evaluates, each of which is billed."""
    return len(_RATES[measure].metrics) if measure in _RATES else 1


def service_alarm_name(function: str, alias: str, measure: str) -> str:
    """The name of the alarm on one of the bounds."""
    return f"{function}-{alias}-service-{measure.replace('_', '-')}"


MEASURES: Final = tuple(RequestBounds.model_fields)
"""All that can be measured, by the keys of the spec."""
