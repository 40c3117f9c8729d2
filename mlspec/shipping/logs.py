"""The function's log group: there, with its retention and its tags."""

from __future__ import annotations

from functools import partial
from typing import Any

from mlspec.parts.deploy.settings import log_group
from mlspec.parts.images.settings import tags
from mlspec.shipping.change import Change
from mlspec.shipping.converge import Step, differences
from mlspec.shipping.target import Target
from mlspec.shipping.wanted import Wanted


def resource(name: str) -> str:
    """What a person calls it."""
    return f"log group {name}"


def read(target: Target, name: str) -> dict[str, Any] | None:
    """The log group, with its `arn` and `retentionInDays`; None where there is none."""
    pages = target.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
    return next((group for page in pages for group in page["logGroups"] if group["logGroupName"] == name), None)


def steps(wanted: Wanted) -> list[Step]:
    """What makes the log group as wanted. One that Lambda itself has made is taken over: it is the function's own."""
    client, name = wanted.target.client("logs"), log_group(wanted.function)
    days, given = wanted.function.options.log_retention, tags(wanted.project)
    keep = partial(client.put_retention_policy, logGroupName=name, retentionInDays=days)
    found = read(wanted.target, name)
    if found is None:
        return [Step((Change("+", resource(name), new=f"{days} days"),), partial(_create, client, name, given, days))]
    steps: list[Step] = []
    if found.get("retentionInDays") != days:
        steps.append(Step((Change("~", resource(name), "retentionInDays", found.get("retentionInDays"), days),), keep))
    arn = arn_of(found)
    if changes := differences(resource(name), given, client.list_tags_for_resource(resourceArn=arn)["tags"]):
        steps.append(Step(changes, partial(client.tag_resource, resourceArn=arn, tags=given)))
    return steps


def _create(client: Any, name: str, given: dict[str, str], days: int) -> None:
    client.create_log_group(logGroupName=name, tags=given)
    client.put_retention_policy(logGroupName=name, retentionInDays=days)


def arn_of(found: dict[str, Any]) -> str:
    """The log group's ARN as the calls about tags take it: without the `:*` that the answers end in."""
    return str(found["arn"]).removesuffix(":*")
