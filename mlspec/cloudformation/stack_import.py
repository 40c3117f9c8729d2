"""Existing resources, taken into a new stack as they are: a change set of the type IMPORT, which changes none."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import JsonValue

from mlspec.aws.action import FieldChange
from mlspec.aws.aws_target import AwsTarget
from mlspec.cloudformation.existing_stack import delete, failed_resources, read_stack
from mlspec.cloudformation.stack_template import StackTemplate
from mlspec.errors import StageError

_WAIT: Final = {"Delay": 2, "MaxAttempts": 150}
_CLOCKS: Final = timedelta(minutes=2)
_NONE: Final[Mapping[str, JsonValue]] = {}
_STAYS: Final[Mapping[str, JsonValue]] = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
"""An import demands the first. With both nothing is lost if the stack is deleted before its first deployment."""


@dataclass(frozen=True, slots=True)
class ImportedResource:
    """One resource: its logical id, its body in a template, and what identifies it in the account."""

    id: str
    body: Mapping[str, JsonValue]
    identifier: Mapping[str, str]

    @property
    def type(self) -> str:
        """Its type, such as `AWS::Lambda::Function`."""
        return str(self.body["Type"])


@dataclass(frozen=True)
class StackImport:
    """The import of resources into a stack that does not exist yet."""

    target: AwsTarget
    name: str
    """Of the stack."""
    resources: tuple[ImportedResource, ...]
    tags: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, JsonValue] = field(default_factory=dict)
    """Bodies of what the stack creates as soon as it exists, by logical ids: an import itself creates nothing."""

    @property
    def template(self) -> StackTemplate:
        """The stack's template until its first deployment."""
        return StackTemplate.parse(self._document(self.more))

    @property
    def changes(self) -> tuple[FieldChange, ...]:
        """A change for each resource, as a plan shows it."""
        added = StackTemplate.parse({"Resources": dict(self.more)}).resources
        return (
            *(FieldChange("+", one.id, new=f"{one.type}, taken over") for one in self.resources),
            *(FieldChange("+", id, new=one.type) for id, one in added.items()),
        )

    def execute(self) -> None:
        """Import the resources. Raises StageError where CloudFormation refuses one: the stack is deleted, and every
        resource is as it was."""
        from botocore.exceptions import ClientError, WaiterError

        client, since = self.target.client("cloudformation"), datetime.now(UTC) - _CLOCKS
        change_set = str(client.create_change_set(**self._request())["Id"])
        named = {"ChangeSetName": change_set, "StackName": self.name}
        try:
            client.get_waiter("change_set_create_complete").wait(**named, WaiterConfig=_WAIT)
            client.execute_change_set(**named)
            client.get_waiter("stack_import_complete").wait(StackName=self.name, WaiterConfig=_WAIT)
            client.update_stack(**self._update())
            client.get_waiter("stack_update_complete").wait(StackName=self.name, WaiterConfig=_WAIT)
        except WaiterError:
            reason = self._reason(client.describe_change_set(**named), since)
            delete(self.target, self.name)
            message = f"cloudformation cannot take over what stack {self.name} would contain: {reason}"
            help = "nothing was changed. Correct what the message names; or use `iac: terraform`, or another name"
            raise StageError(message, help=help) from None
        except ClientError:
            delete(self.target, self.name)  # everything in it stays; a stack without the tags of a project is refused
            raise

    def _request(self) -> dict[str, JsonValue]:
        """Input of CreateChangeSet."""
        listed: list[JsonValue] = [
            {"ResourceType": one.type, "LogicalResourceId": one.id, "ResourceIdentifier": dict(one.identifier)}
            for one in self.resources
        ]
        return {
            "StackName": self.name,
            "ChangeSetName": f"mlspec-import-{uuid.uuid4().hex[:12]}",
            "ChangeSetType": "IMPORT",
            "Description": "mlspec apply --adopt",
            "ResourcesToImport": listed,
            **self._template(_NONE),
        }

    def _update(self) -> dict[str, JsonValue]:
        """Input of UpdateStack, which adds the tags and what the stack creates: an import takes neither."""
        owned: list[JsonValue] = [{"Key": name, "Value": value} for name, value in self.tags.items()]
        return {"StackName": self.name, "Tags": owned, **self._template(self.more)}

    def _template(self, more: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        return {"TemplateBody": json.dumps(self._document(more)), "Capabilities": ["CAPABILITY_NAMED_IAM"]}

    def _document(self, more: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        bodies: dict[str, JsonValue] = {one.id: {**one.body, **_STAYS} for one in self.resources}
        return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {**bodies, **more}}

    def _reason(self, change_set: Mapping[str, Any], since: datetime) -> str:
        stack = read_stack(self.target, self.name)
        failed = failed_resources(self.target, stack, since) if stack else []
        lines = [f"{one.id} ({one.type}): {one.reason}" for one in failed]
        return "\n  ".join(lines) or str(change_set.get("StatusReason") or change_set["Status"])
