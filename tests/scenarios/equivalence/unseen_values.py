"""Values of what a tool makes that may change, or be missing, without being found; each with its reason."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tests.scenarios.equivalence.differences import NAMES, Source


@dataclass(frozen=True, slots=True)
class UnseenValue:
    """Values at paths that the pattern matches."""

    sources: tuple[Source, ...]
    path: str
    shown: str
    reason: str

    def covers(self, source: Source, path: str) -> bool:
        """Whether it is about that value."""
        return source in self.sources and re.fullmatch(self.path, path) is not None


UNSEEN: Final = (
    UnseenValue(("serverless",), r"(without )?\w+\.Metadata(\..*)?", "`Metadata`", "Comments for checkov alone"),
    UnseenValue(("serverless",), r"(without )?ServerlessDeploymentBucket(Policy)?(\..*)?", "`ServerlessDeploymentBucket`, its policy",
                "The framework's own; no other source has them"),
    UnseenValue(("sam", "serverless"), r"without \w+\.Properties\.(PackageType|MaxSessionDuration)",
                "A value that is AWS's own default", "It is the same without it"),
    UnseenValue(("serverless",), r"without ServeLambdaFunction\.DependsOn\.1", "The role in `DependsOn` of the function",
                "The framework writes it; the function refers to the role anyway"),
    UnseenValue(("terraform",), r"reference aws_cloudwatch_metric_alarm\..*dimensions", "References of an alarm",
                "Its dimensions are compared as values; it needs no function to exist"),
    UnseenValue(("terraform",), r"reference aws_lambda_(alias|function_url|permission|provisioned_concurrency_config)\.\w+\.function_name",
                "`function_name` as a reference", "The name is compared as a value; another reference of it gives the order"),
    UnseenValue(("terraform",), r"reference aws_apigatewayv2_route\.this\.api_id", "`api_id` of the route as a reference",
                "The integration that it refers to belongs to the API"),
    UnseenValue(("terraform",), r"without aws_s3_bucket_lifecycle_configuration\.this\.rule\.\d+\.filter",
                "An empty `filter` of a lifecycle rule", "The rule is for the whole bucket with it and without"),
    UnseenValue(("terraform",), r"depends_on aws_s3_bucket_\w+\..*", "The order of the settings of a bucket",
                "They are one resource elsewhere"),
)  # fmt: skip


def unseen_table() -> str:
    """The table in Markdown."""
    rows = ["| value | of | why |", "|---|---|---|"]
    rows += [f"| {line.shown} | {', '.join(NAMES[one] for one in line.sources)} | {line.reason} |" for line in UNSEEN]
    return "\n".join(rows) + "\n"
