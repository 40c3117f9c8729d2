"""The function's log group: there, with its retention and its tags."""

from __future__ import annotations

from functools import partial
from typing import Any

from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.change import RemoteChange
from mlspec.aws.cli_input import log_group
from mlspec.aws.converge import PROJECT, ConvergeStep, differences, ours, sourced
from mlspec.aws.desired import DesiredFunction
from mlspec.aws.ecr import tags
from mlspec.aws.release_events import group


def resource(name: str) -> str:
    """What a person calls it."""
    return f"log group {name}"


def read(target: AwsTarget, name: str) -> dict[str, Any] | None:
    """The log group, with its `arn` and `retentionInDays`; None where there is none."""
    pages = target.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
    return next((group for page in pages for group in page["logGroups"] if group["logGroupName"] == name), None)


def steps(wanted: DesiredFunction) -> list[ConvergeStep]:
    """What makes the function's log group as wanted, and the tags of the one with its history.

    A log group without mlspec's tags was made by Lambda and is the function's own. Raises StageError where one belongs
    to another project.
    """
    name, history = log_group(wanted.function), group(wanted.function.name)
    return [*_function(wanted, name, read(wanted.target, name)), *_tagged(wanted, read(wanted.target, history))]


def _function(wanted: DesiredFunction, name: str, found: dict[str, Any] | None) -> list[ConvergeStep]:
    client, days = wanted.target.client("logs"), wanted.function.options.log_retention
    if found is None:
        act = partial(_create, client, name, _tags(wanted), days)
        return [ConvergeStep((RemoteChange("+", resource(name), new=f"{days} days"),), act)]
    tagged, there = _tagged(wanted, found), found.get("retentionInDays")
    if there == days:
        return tagged
    keep = partial(client.put_retention_policy, logGroupName=name, retentionInDays=days)
    return [ConvergeStep((RemoteChange("~", resource(name), "retentionInDays", there, days),), keep), *tagged]


def _tagged(wanted: DesiredFunction, found: dict[str, Any] | None) -> list[ConvergeStep]:
    """The tags of a log group that is there, where they are not as wanted. Raises StageError for another project's."""
    if found is None:
        return []
    client, what, arn = wanted.target.client("logs"), resource(found["logGroupName"]), arn_of(found)
    there = client.list_tags_for_resource(resourceArn=arn)["tags"]
    if PROJECT in there:
        command = f"aws logs tag-resource --resource-arn {arn} --tags {{}}={{}}"
        ours(what, there, wanted.project, command, wanted.target)
    changes = differences(what, _tags(wanted), there)
    return [ConvergeStep(changes, partial(client.tag_resource, resourceArn=arn, tags=_tags(wanted)))] if changes else []


def _tags(wanted: DesiredFunction) -> dict[str, str]:
    return sourced(tags(wanted.project), wanted.target.source)


def _create(client: Any, name: str, given: dict[str, str], days: int) -> None:
    client.create_log_group(logGroupName=name, tags=given)
    client.put_retention_policy(logGroupName=name, retentionInDays=days)


def arn_of(found: dict[str, Any]) -> str:
    """The log group's ARN as the calls about tags take it: without the `:*` that the answers end in."""
    return str(found["arn"]).removesuffix(":*")
