"""A CloudFormation stack as it is in an account. Reads only, but for `delete`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.error_messages import code_of, message_of
from mlspec.aws.resource_tags import from_pairs
from mlspec.cloudformation.stack_template import StackTemplate
from mlspec.errors import StageError

_FAILED: Final = "_FAILED"
_BROKEN: Final = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED")
"""States after which AWS only deletes a stack."""
_CANCELLED: Final = ("Resource creation cancelled", "Resource update cancelled", "Resource deletion cancelled")
"""Reasons of resources that failed because another one did."""
_ELSEWHERE: Final = "DescribeEvents"
"""In the reason of a stack whose template does not pass CloudFormation's own validation."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack with its tags, parameters and outputs."""

    name: str
    id: str
    status: str
    tags: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    outputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether it has no resources: only a change set was created, or the first deployment was rolled back."""
        return self.status in ("REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED")

    @property
    def is_busy(self) -> bool:
        """Whether another deployment of it runs."""
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"


def check_changeable(stack: Stack) -> None:
    """Raise StageError where CloudFormation takes no change of the stack, or none now."""
    if stack.status in _BROKEN:
        message = f"cloudformation stack {stack.name} is in the state {stack.status}, and takes no change"
        raise StageError(message, help=f"aws cloudformation delete-stack --stack-name {stack.name}; then: mlspec apply")
    if stack.is_busy:
        message = f"cloudformation stack {stack.name} is being changed ({stack.status})"
        wait = f"aws cloudformation wait stack-update-complete --stack-name {stack.name}"
        raise StageError(message, help=f"wait for it: {wait}; then: mlspec apply")


@dataclass(frozen=True, slots=True)
class FailedResource:
    """A resource that a deployment could not bring to its desired state."""

    id: str
    type: str
    reason: str


def read_stack(target: AwsTarget, name: str) -> Stack | None:
    """The stack; None where it does not exist."""
    from botocore.exceptions import ClientError

    try:
        answer = target.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if code_of(error) == "ValidationError" and "does not exist" in message_of(error):
            return None
        raise
    if not answer or answer[0]["StackStatus"] == "DELETE_COMPLETE":
        return None
    stack = answer[0]
    return Stack(
        name=name,
        id=str(stack["StackId"]),
        status=str(stack["StackStatus"]),
        tags=from_pairs(stack.get("Tags", [])),
        parameters={one["ParameterKey"]: str(one.get("ParameterValue", "")) for one in stack.get("Parameters", [])},
        outputs={one["OutputKey"]: str(one["OutputValue"]) for one in stack.get("Outputs", [])},
    )


def read_template(target: AwsTarget, stack: Stack) -> StackTemplate:
    """The template that was deployed last, as it was before its transform."""
    client = target.client("cloudformation")
    return StackTemplate.parse(client.get_template(StackName=stack.name, TemplateStage="Original")["TemplateBody"])


def resource_ids(target: AwsTarget, stack: Stack) -> frozenset[str]:
    """The logical ids of the resources that the stack has created."""
    pages = target.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack.name)
    return frozenset(str(one["LogicalResourceId"]) for page in pages for one in page["StackResourceSummaries"])


def failed_resources(target: AwsTarget, stack: Stack, since: datetime) -> list[FailedResource]:
    """What failed since then, the first first, without what was cancelled in consequence."""
    failed = [one for one in reversed(list(_failures(target, stack, since))) if not one.reason.startswith(_CANCELLED)]
    known = [one for one in failed if _ELSEWHERE not in one.reason]
    return known or _invalid_resources(target, stack, since) or failed


def _invalid_resources(target: AwsTarget, stack: Stack, since: datetime) -> list[FailedResource]:
    """What CloudFormation refused before it changed anything: an event of the stack only counts it."""
    from botocore.exceptions import ClientError

    client = target.client("cloudformation")
    if not hasattr(client, "describe_events"):  # boto3 has had it since November 2025
        return []
    try:
        pages = client.get_paginator("describe_events").paginate(StackName=stack.id, Filters={"FailedEvents": True})
        events = [event for page in pages for event in page["OperationEvents"] if event["Timestamp"] >= since]
    except ClientError:  # a role that an earlier foundation created has no right to read them
        return []
    return [
        FailedResource(event["LogicalResourceId"], event.get("ResourceType", ""), event["ValidationStatusReason"])
        for event in events
        if event.get("ValidationStatusReason")
    ]


def _failures(target: AwsTarget, stack: Stack, since: datetime) -> Iterator[FailedResource]:
    pages = target.client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=stack.id)
    for event in (event for page in pages for event in page["StackEvents"]):
        if event["Timestamp"] < since:
            return
        if str(event.get("ResourceStatus", "")).endswith(_FAILED):
            reason = str(event.get("ResourceStatusReason", event["ResourceStatus"]))
            yield FailedResource(str(event["LogicalResourceId"]), str(event.get("ResourceType", "")), reason)


def delete(target: AwsTarget, name: str) -> None:
    """Delete the stack and wait for it. Raises StageError where a resource cannot be deleted."""
    from botocore.exceptions import WaiterError

    client = target.client("cloudformation")
    client.delete_stack(StackName=name)
    try:
        client.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 2, "MaxAttempts": 900})
    except WaiterError:
        message = f"cloudformation stack {name} could not be deleted"
        help = f"see what holds it: aws cloudformation describe-stack-events --stack-name {name}"
        raise StageError(message, help=help) from None
