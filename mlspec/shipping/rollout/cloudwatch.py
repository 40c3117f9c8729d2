"""A version's metrics from Amazon CloudWatch, and requests to one version past the alias.

Lambda counts under AWS/Lambda, by alias and executed version while an alias splits its traffic
(https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html); the handler counts predictions under
`mlspec`, see docs/architecture/04-model-to-endpoint.md.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from mlspec.aws import alias
from mlspec.aws.aws_target import AwsTarget
from mlspec.errors import StageError
from mlspec.shipping.rollout.traffic_metrics import TrafficMetrics, VersionMetrics

OURS: Final = "mlspec"
PREDICTIONS: Final = "Predictions."
"""Prefix of the metric's name, before the label."""
_COUNTS: Final = {"calls": "Invocations", "errors": "Errors", "throttles": "Throttles"}
_TIMES: Final = {"p50_ms": "p50", "p95_ms": "p95", "p99_ms": "p99"}
_MINUTE: Final = 60
_MOST: Final = 450
"""Queries in one request; CloudWatch takes 500."""

Query = Mapping[str, JsonValue]


@dataclass(frozen=True)
class CloudWatch:
    """Reads the metrics of requests through the alias, which arrive a minute or two after the requests."""

    target: AwsTarget
    function: str
    alias: str
    labels: Sequence[str] = ()

    def read(self, version: str, since: float) -> VersionMetrics:
        """The metrics of `version` since then, from the beginning of that minute on."""
        start = int(since) // _MINUTE * _MINUTE
        minutes = max(1, -(-(int(time.time()) + 1 - start) // _MINUTE))
        queries = [*self._of_lambda(version, minutes * _MINUTE), *self._of_handler(version, minutes * _MINUTE)]
        answer = self._ask(queries, start, start + minutes * _MINUTE)
        calls, errors, throttles = (int(sum(answer[name])) for name in _COUNTS)
        p50, p95, p99 = (max(answer[name], default=None) for name in _TIMES)
        labels = {label: int(sum(answer[f"label{i}"])) for i, label in enumerate(self.labels)}
        return VersionMetrics(calls, errors, throttles, p50, p95, p99, {name: n for name, n in labels.items() if n})

    def _of_lambda(self, version: str, period: int) -> Iterator[Query]:
        where = {"FunctionName": self.function, "Resource": f"{self.function}:{self.alias}"}
        live = alias.read(self.target, self.function, self.alias)
        if live is not None and live.other is not None:  # Lambda separates versions only while it splits traffic
            where["ExecutedVersion"] = version
        elif live is None or live.version != version:
            where["Resource"] = f"{self.function}:{version}"
        for name, metric in _COUNTS.items():
            yield _query(name, "AWS/Lambda", metric, "Sum", where, period)
        for name, statistic in _TIMES.items():
            yield _query(name, "AWS/Lambda", "Duration", statistic, where, period)

    def _of_handler(self, version: str, period: int) -> Iterator[Query]:
        where = {"FunctionName": self.function, "ExecutedVersion": version}
        for i, label in enumerate(self.labels):
            yield _query(f"label{i}", OURS, PREDICTIONS + label, "Sum", where, period)

    def _ask(self, queries: Sequence[Query], start: int, end: int) -> dict[str, list[float]]:
        client = self.target.client("cloudwatch")
        answer: dict[str, list[float]] = {str(query["Id"]): [] for query in queries}
        for first in range(0, len(queries), _MOST):
            pages = client.get_paginator("get_metric_data").paginate(
                MetricDataQueries=queries[first : first + _MOST], StartTime=start, EndTime=end
            )
            for result in (r for page in pages for r in page["MetricDataResults"]):
                answer[result["Id"]] += result["Values"]
        return answer


def _query(id: str, namespace: str, metric: str, statistic: str, where: Mapping[str, str], period: int) -> Query:
    dimensions: list[JsonValue] = [{"Name": name, "Value": value} for name, value in where.items()]
    chosen: JsonValue = {"Namespace": namespace, "MetricName": metric, "Dimensions": dimensions}
    return {"Id": id, "MetricStat": {"Metric": chosen, "Period": period, "Stat": statistic}, "ReturnData": True}


@dataclass(frozen=True)
class LambdaInvoker:
    """Invokes one version of the function by its number."""

    target: AwsTarget
    function: str

    def invoke(self, version: str, body: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """The version's answer. Raises StageError with the error of Lambda or the handler where it fails."""
        response = self.target.client("lambda").invoke(
            FunctionName=self.function, Qualifier=version, Payload=json.dumps(body).encode()
        )
        text = response["Payload"].read().decode("utf-8", "replace")
        answer, help = _parsed(text), f"read its log: aws logs tail /aws/lambda/{self.function}"
        if response.get("FunctionError"):
            reason = answer.get("errorMessage", text) if answer is not None else text
            raise StageError(f"version {version} of {self.function} failed: {reason}", help=help)
        if answer is None:
            message = f"version {version} of {self.function} answers {text[:200]!r}, which is not a prediction"
            raise StageError(message, help=help)
        return answer


def _parsed(text: str) -> dict[str, JsonValue] | None:
    """The JSON object in an answer; None where it is something else."""
    try:
        answer = json.loads(text or "null")
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def instruments(target: AwsTarget, function: str, alias: str, labels: Sequence[str]) -> TrafficMetrics:
    """The metrics and the invoker of a rollout in an AWS account."""
    return TrafficMetrics(
        CloudWatch(target, function, alias, labels), LambdaInvoker(target, function), time.time, time.sleep
    )
