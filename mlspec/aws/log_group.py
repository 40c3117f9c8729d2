"""Log groups of CloudWatch Logs: that of the function, and that with the history of its releases."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import JsonValue

from mlspec.aws.action import Action, create, differences, unexpected
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.ownership import check_ownership
from mlspec.aws.resource_tags import PROJECT
from mlspec.aws.resources import LogGroup


@dataclass(frozen=True)
class LogGroupProvider:
    """Reads and changes log groups.

    One without mlspec's tags was created by Lambda and is the function's own; one with another project's is refused.
    """

    target: AwsTarget

    def read(self, name: str) -> LogGroup | None:
        """The log group with its tags; None where it does not exist."""
        client = self.target.client("logs")
        pages = client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
        listed = (group for page in pages for group in page["logGroups"])
        answer = next((group for group in listed if group["logGroupName"] == name), None)
        if answer is None:
            return None
        tags = client.list_tags_for_resource(resourceArn=answer["arn"].removesuffix(":*"))["tags"]
        return LogGroup.from_response(answer, tags)

    def diff(self, desired: LogGroup | None, current: LogGroup | None) -> list[Action]:
        """What gives it the desired retention and tags; without a desired retention, an existing one stays. Raises
        StageError for another project's."""
        if desired is None:
            return []
        if current is None:
            request = desired.to_request() | {"tags": dict(desired.tags)}
            retention = f"{desired.retention_days} days" if desired.retention_days else "never expires"
            return [create("log-group", desired.name, retention, request)]
        return [*self._retention(desired, current), *self._tags(desired, current)]

    def _retention(self, desired: LogGroup, current: LogGroup) -> list[Action]:
        if desired.retention_days in (None, current.retention_days):
            return []
        changes = differences({"retentionInDays": desired.retention_days}, {"retentionInDays": current.retention_days})
        return [Action("log-group", desired.name, "set-retention", changes, desired.to_request())]

    def _tags(self, desired: LogGroup, current: LogGroup) -> list[Action]:
        if PROJECT in current.tags:
            command = f"aws logs tag-resource --resource-arn {current.arn} --tags {{}}={{}}"
            project = desired.tags[PROJECT]
            check_ownership(f"log group {current.name}", current.tags, project, command, self.target.owner)
        changes = differences(dict(desired.tags), dict(current.tags))
        arguments: dict[str, JsonValue] = {"resourceArn": current.arn, "tags": dict(desired.tags)}
        return [Action("log-group", current.name, "tag", changes, arguments)] if changes else []

    def apply(self, action: Action) -> None:
        """Execute an action on a log group."""
        client, given = self.target.client("logs"), dict(action.arguments)
        match action.operation:
            case "create":
                client.create_log_group(logGroupName=action.name, tags=given.pop("tags"))
                if given["retentionInDays"] is not None:
                    client.put_retention_policy(**given)
            case "set-retention":
                client.put_retention_policy(**given)
            case "tag":
                client.tag_resource(**given)
            case "delete":
                client.delete_log_group(logGroupName=action.name)
            case _:
                raise unexpected(action)
