"""What CloudFormation itself says that a template would change: a change set, created, read and deleted again."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import JsonValue

from mlspec.aws.action import FieldChange, Sign
from mlspec.aws.aws_target import AwsTarget
from mlspec.cloudformation.existing_stack import Stack, delete, read_stack
from mlspec.errors import StageError

_MOST_BYTES: Final = 51_200
"""Of a template in a request: a longer one has to lie in a bucket
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html)."""
_SIGNS: Final[Mapping[str, Sign]] = {"Add": "+", "Import": "+", "Remove": "-"}
_NO_CHANGES: Final = ("didn't contain changes", "No updates are to be performed")
_WAIT: Final = {"Delay": 2, "MaxAttempts": 150}
"""Seconds between two questions, and their number: the transform of SAM takes a while."""


@dataclass(frozen=True)
class ChangeSetRequest:
    """A template for a stack that exists, or for a new one where `stack` is None."""

    target: AwsTarget
    name: str
    """Of the stack."""
    stack: Stack | None
    template: str
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    tags: Mapping[str, str] = field(default_factory=dict)

    def changes(self) -> tuple[FieldChange, ...]:
        """A change for each resource, and for each property of a resource that stays.

        Writes to the account for as long as it takes: a change set, and of a new stack the empty stack that holds it.
        Neither is there afterwards. Raises StageError where CloudFormation refuses the template.
        """
        if len(self.template.encode()) > _MOST_BYTES:
            message = (
                f"the template of {self.name} is longer than {_MOST_BYTES} bytes: a change set of it needs a bucket"
            )
            raise StageError(message, help="leave --change-set out: the plan then compares the templates")
        change_set = self._create()
        try:
            return tuple(self._read(change_set))
        finally:
            self._delete(change_set)

    @property
    def _client(self) -> Any:
        return self.target.client("cloudformation")

    @property
    def _is_new(self) -> bool:
        return self.stack is None or self.stack.is_empty

    def _create(self) -> str:
        """The ARN of a new change set."""
        answer = self._client.create_change_set(
            StackName=self.name,
            ChangeSetName=f"mlspec-plan-{uuid.uuid4().hex[:12]}",
            ChangeSetType="CREATE" if self._is_new else "UPDATE",
            Description="mlspec plan --change-set: read, and deleted again",
            TemplateBody=self.template,
            Parameters=[self._parameter(name, value) for name, value in self.parameters.items()],
            Tags=[{"Key": name, "Value": value} for name, value in self.tags.items()],
            Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        return str(answer["Id"])

    def _parameter(self, name: str, value: str) -> dict[str, JsonValue]:
        """A secret has no value where only a plan is made: that of the stack stays."""
        known = self.stack is not None and name in self.stack.parameters and not self._is_new
        if known and not value:
            return {"ParameterKey": name, "UsePreviousValue": True}
        return {"ParameterKey": name, "ParameterValue": value}

    def _read(self, change_set: str) -> Iterator[FieldChange]:
        from botocore.exceptions import WaiterError

        waiter = self._client.get_waiter("change_set_create_complete")
        try:
            waiter.wait(ChangeSetName=change_set, StackName=self.name, WaiterConfig=_WAIT)
        except WaiterError:
            answer = self._client.describe_change_set(ChangeSetName=change_set, StackName=self.name)
            reason = str(answer.get("StatusReason", answer["Status"]))
            if any(known in reason for known in _NO_CHANGES):
                return
            message = f"cloudformation refuses the template of {self.name}: {reason}"
            raise StageError(message, help="correct what the message names, then: mlspec plan --change-set") from None
        pages = self._client.get_paginator("describe_change_set").paginate(
            ChangeSetName=change_set, StackName=self.name
        )
        for change in (change for page in pages for change in page.get("Changes", [])):
            yield from _resource_changes(change["ResourceChange"])

    def _delete(self, change_set: str) -> None:
        """Delete the change set, and the stack that was created to hold it."""
        self._client.delete_change_set(ChangeSetName=change_set, StackName=self.name)
        if self.stack is None:
            left = read_stack(self.target, self.name)
            if left is not None and left.status == "REVIEW_IN_PROGRESS":
                delete(self.target, self.name)


def _resource_changes(change: Mapping[str, Any]) -> Iterator[FieldChange]:
    """`Function MemorySize: changes`, or of a replaced one `Role (replaced)`."""
    id, type = str(change["LogicalResourceId"]), str(change["ResourceType"])
    sign = _SIGNS.get(str(change["Action"]), "~")
    if sign == "+":
        yield FieldChange("+", id, new=type)
        return
    if sign == "-":
        yield FieldChange("-", id, old=type)
        return
    suffix = {"True": " (replaced)", "Conditional": " (possibly replaced)"}.get(str(change.get("Replacement", "")), "")
    names = dict.fromkeys(_property(detail.get("Target", {})) for detail in change.get("Details", []))
    for name in names or {"": None}:
        yield FieldChange("~", f"{id} {name}".rstrip() + suffix)


def _property(target: Mapping[str, Any]) -> str:
    """`MemorySize`, or an attribute beside the properties: `Tags`, `DeletionPolicy`, …."""
    return str(target.get("Name") or target.get("Attribute", ""))
