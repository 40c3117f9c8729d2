"""How often a Lambda function gave each label, as lines that CloudWatch reads as metrics. It sends nothing itself.

The embedded metric format: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring
(CloudWatch_Embedded_Metric_Format_Specification).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

NAMESPACE: Final = "mlspec"
DIMENSIONS: Final = ("FunctionName", "ExecutedVersion")
PREFIX: Final = "Predictions."
"""A label's metric is called by its name after this."""
_MOST = 100
"""Metrics that one line may have."""


def dimensions(environment: Mapping[str, str]) -> dict[str, str] | None:
    """The function and its version, as Lambda tells them to the process; None outside of Lambda."""
    name, version = environment.get("AWS_LAMBDA_FUNCTION_NAME"), environment.get("AWS_LAMBDA_FUNCTION_VERSION")
    return dict(zip(DIMENSIONS, (name, version), strict=True)) if name and version else None


def lines(counts: Mapping[str, int], of: Mapping[str, str], seconds: float) -> Iterator[str]:
    """One line for up to a hundred labels, each with how often it was predicted; `seconds` since the epoch."""
    left = iter(counts.items())
    while some := dict(islice(left, _MOST)):
        metrics = [{"Name": PREFIX + label, "Unit": "Count"} for label in some]
        described = {"Namespace": NAMESPACE, "Dimensions": [list(DIMENSIONS)], "Metrics": metrics}
        line: dict[str, Any] = {"_aws": {"Timestamp": int(seconds * 1000), "CloudWatchMetrics": [described]}, **of}
        yield json.dumps(line | {PREFIX + label: count for label, count in some.items()}, separators=(",", ":"))
