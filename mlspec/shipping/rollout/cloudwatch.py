"""A version's numbers from Amazon CloudWatch, and calls of one version past the alias.

Lambda counts under AWS/Lambda, by alias and executed version while an alias splits its calls
(https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html); the handler counts predictions under
`mlspec`, see docs/architecture/04-model-to-endpoint.md.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mlspec.aws import alias
from mlspec.aws.aws_target import AwsTarget
from mlspec.errors import StageError
from mlspec.shipping.rollout.traffic_metrics import TrafficMetrics, VersionMetrics

OURS: Final = "mlspec"
PREDICTIONS: Final = "Predictions."
"""Opening of the metric's name, before the label."""
_COUNTS: Final = {"calls": "Invocations", "errors": "Errors", "throttles": "Throttles"}
_TIMES: Final = {"p50_ms": "p50", "p95_ms": "p95", "p99_ms": "p99"}
_MINUTE: Final = 60
_MOST: Final = 450
"""Queries in one request; CloudWatch takes 500."""

Query = dict[str, Any]


@dataclass(frozen=True)
class CloudWatch:
    """Counts the calls that came through the alias. Numbers arrive a minute or two after the calls."""

    target: AwsTarget
    function: str
    alias: str
    labels: Sequence[str] = ()

    def read(self, version: str, since: float) -> VersionMetrics:
        """The calls of `version` since then, from the beginning of that minute on."""
        start = int(since) // _MINUTE * _MINUTE
        minutes = max(1, -(-(int(time.time()) + 1 - start) // _MINUTE))
        queries = [*self._of_lambda(version, minutes * _MINUTE), *self._of_handler(version, minutes * _MINUTE)]
        found = self._ask(queries, start, start + minutes * _MINUTE)
        calls, errors, throttles = (int(sum(found[name])) for name in _COUNTS)
        p50, p95, p99 = (max(found[name], default=None) for name in _TIMES)
        labels = {label: int(sum(found[f"label{i}"])) for i, label in enumerate(self.labels)}
        return VersionMetrics(calls, errors, throttles, p50, p95, p99, {name: n for name, n in labels.items() if n})

    def _of_lambda(self, version: str, period: int) -> Iterator[Query]:
        where = {"FunctionName": self.function, "Resource": f"{self.function}:{self.alias}"}
        live = alias.read(self.target, self.function, self.alias)
        if live is not None and live.other is not None:  # Lambda tells versions apart only while calls are split
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
        found: dict[str, list[float]] = {query["Id"]: [] for query in queries}
        for first in range(0, len(queries), _MOST):
            pages = client.get_paginator("get_metric_data").paginate(
                MetricDataQueries=queries[first : first + _MOST], StartTime=start, EndTime=end
            )
            for result in (r for page in pages for r in page["MetricDataResults"]):
                found[result["Id"]] += result["Values"]
        return found


def _query(id: str, namespace: str, metric: str, statistic: str, where: Mapping[str, str], period: int) -> Query:
    dimensions = [{"Name": name, "Value": value} for name, value in where.items()]
    chosen = {"Namespace": namespace, "MetricName": metric, "Dimensions": dimensions}
    return {"Id": id, "MetricStat": {"Metric": chosen, "Period": period, "Stat": statistic}, "ReturnData": True}


@dataclass(frozen=True)
class LambdaInvoker:
    """Calls one version of the function by its number."""

    target: AwsTarget
    function: str

    def invoke(self, version: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The version's answer. Raises StageError with Lambda's or the handler's own words where it fails."""
        answer = self.target.client("lambda").invoke(
            FunctionName=self.function, Qualifier=version, Payload=json.dumps(body).encode()
        )
        said = answer["Payload"].read().decode("utf-8", "replace")
        try:
            found = json.loads(said or "null")
        except ValueError:
            found = None
        if answer.get("FunctionError"):
            why = found.get("errorMessage", said) if isinstance(found, dict) else said
            raise StageError(
                f"version {version} of {self.function} fails: {why}",
                help=f"its log tells more: aws logs tail /aws/lambda/{self.function}",
            )
        if not isinstance(found, dict):
            raise StageError(f"version {version} of {self.function} answers {said[:200]!r}, which is no prediction")
        return found


def instruments(target: AwsTarget, function: str, alias: str, labels: Sequence[str]) -> TrafficMetrics:
    """What a rollout in an AWS account sees through."""
    return TrafficMetrics(
        CloudWatch(target, function, alias, labels), LambdaInvoker(target, function), time.time, time.sleep
    )
