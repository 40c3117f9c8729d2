"""Counts of predicted labels in a Lambda function as log lines that CloudWatch turns into metrics.

Embedded metric format: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring
(CloudWatch_Embedded_Metric_Format_Specification).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

NAMESPACE: Final = "mlspec"
DIMENSIONS: Final = ("FunctionName", "ExecutedVersion")
PREFIX: Final = "Predictions."
"""Prefix of the metric name of a label."""
_MOST = 100
"""Maximum number of metrics per line."""


def dimensions(environment: Mapping[str, str]) -> dict[str, str] | None:
    """Function name and version from Lambda's environment variables; None outside Lambda."""
    name, version = environment.get("AWS_LAMBDA_FUNCTION_NAME"), environment.get("AWS_LAMBDA_FUNCTION_VERSION")
    return dict(zip(DIMENSIONS, (name, version), strict=True)) if name and version else None


def lines(counts: Mapping[str, int], of: Mapping[str, str], seconds: float) -> Iterator[str]:
    """One line for up to 100 labels with their prediction counts; `seconds` since the epoch."""
    left = iter(counts.items())
    while some := dict(islice(left, _MOST)):
        metrics = [{"Name": PREFIX + label, "Unit": "Count"} for label in some]
        described = {"Namespace": NAMESPACE, "Dimensions": [list(DIMENSIONS)], "Metrics": metrics}
        line: dict[str, object] = {"_aws": {"Timestamp": int(seconds * 1000), "CloudWatchMetrics": [described]}, **of}
        yield json.dumps(line | {PREFIX + label: count for label, count in some.items()}, separators=(",", ":"))
