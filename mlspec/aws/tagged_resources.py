"""What carries the tag of a project in one region, as AWS's Resource Groups Tagging API lists it. Reads only.

The list lags behind the account: what it names may be gone already. It has no roles and no budgets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mlspec.aws.action import ResourceKind
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.ownership import foreign
from mlspec.aws.resource_tags import PROJECT, from_pairs

_KINDS: Final[Mapping[str, tuple[ResourceKind, str]]] = {
    "cloudformation": ("stack", "stack/"),
    "lambda": ("function", "function:"),
    "apigateway": ("http-api", "/apis/"),
    "cloudwatch": ("alarm", "alarm:"),
    "logs": ("log-group", "log-group:"),
    "ecr": ("repository", "repository/"),
    "s3": ("bucket", ""),
}
"""The service of an ARN to the kind of its resources, and what stands before their names
(https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/supported-services.html)."""


@dataclass(frozen=True, slots=True)
class TaggedResource:
    """One resource. The name of an HTTP API is its id."""

    kind: ResourceKind
    name: str
    tags: Mapping[str, str]


def tagged_resources(target: AwsTarget, project: str) -> list[TaggedResource]:
    """The resources of the project's tags, of the kinds that mlspec creates."""
    client = target.client("resourcegroupstaggingapi")
    pages = client.get_paginator("get_resources").paginate(TagFilters=[{"Key": PROJECT, "Values": [project]}])
    listed = (
        resource(one["ResourceARN"], from_pairs(one["Tags"]))
        for page in pages
        for one in page["ResourceTagMappingList"]
    )
    return [one for one in listed if one is not None and not foreign(one.tags, project, target.owner)]


def resource(arn: str, tags: Mapping[str, str]) -> TaggedResource | None:
    """The resource of an ARN; None for a part of one, and for a kind that mlspec does not create."""
    _, _, service, _, _, path = arn.split(":", 5)
    kind, before = _KINDS.get(service, (None, ""))
    name = path.removeprefix(before).removesuffix(":*")
    if kind is None or not path.startswith(before) or not name:
        return None
    if kind == "stack":  # stack/NAME/ID
        name = name.partition("/")[0]
    parts = {"http-api": "/", "function": ":"}.get(kind)
    return None if parts and parts in name else TaggedResource(kind, name, tags)
