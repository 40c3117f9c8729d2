"""Whose a resource is: mlspec changes only what carries the project's tags, and its address where both are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.error_messages import code_of, message_of
from mlspec.aws.resource_owner import ResourceOwner
from mlspec.aws.resource_tags import PROJECT, SOURCE
from mlspec.errors import StageError

_STACK: Final = "aws:cloudformation:stack-name"
"""The tag that CloudFormation gives to what a stack creates. What outlives its stack keeps it."""


def check_ownership(
    resource: str, tags: Mapping[str, str], project: str, command: str, owner: ResourceOwner, *, adoptable: bool = True
) -> None:
    """Raise StageError for a resource that is not the project's. `command` tags it, with two `{}` for key and value.

    A resource without an address, of an earlier mlspec, counts as the project's. One without a tag of any project
    becomes the project's if the owner `adopts` and the resource is `adoptable`: a stack is not, whose resources the
    project's template would replace.
    """
    reason = foreign(tags, project, owner)
    untagged = PROJECT not in tags and adoptable
    if not reason or (owner.adopts and untagged):
        return
    message = f"{resource} exists already: {reason}"
    if tags.get(PROJECT) == project:
        message, handed_over = f"{message}, and this one is in {owner.source}", command.format(SOURCE, owner.source)
        help = f"choose another name; or, if that project has moved here, hand it over: {handed_over}"
        raise StageError(message, help=help)
    if untagged:
        raise StageError(message, help="choose another name, or take it over: mlspec apply --adopt")
    raise StageError(message, help=f"choose another name, or hand it over: {command.format(PROJECT, project)}")


def check_no_stack(resource: str, tags: Mapping[str, str], target: AwsTarget) -> None:
    """Raise StageError for a resource of a CloudFormation stack, which the project leaves to another tool now."""
    stack = existing_stack(tags, target)
    if not stack:
        return
    message = f"{resource} belongs to the cloudformation stack {stack}, whose next deployment would undo any change"
    help = (
        "keep `deploy.iac`; or choose another name; or give up the stack and keep its resources: mlspec destroy "
        "--keep-resources, with the former `iac`"
    )
    raise StageError(message, help=help)


def existing_stack(tags: Mapping[str, str], target: AwsTarget) -> str:
    """The name of the CloudFormation stack that a resource belongs to; "" where it belongs to none that exists."""
    stack = tags.get(_STACK, "")
    return stack if stack and _is_there(stack, target) else ""


def _is_there(stack: str, target: AwsTarget) -> bool:
    """Whether a stack exists; who may not read it takes it for one that does."""
    from botocore.exceptions import ClientError

    try:
        stacks = target.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        return not (code_of(error) == "ValidationError" and "does not exist" in message_of(error))
    return any(one["StackStatus"] != "DELETE_COMPLETE" for one in stacks)


def foreign(tags: Mapping[str, str], project: str, owner: ResourceOwner) -> str:
    """Why a resource is not the project's; "" where it is."""
    tagged = tags.get(PROJECT)
    if tagged == project:
        other = other_address(tags, owner)
        return f"it belongs to the project {tagged} in {other}" if other else ""
    return f"it belongs to the project {tagged}" if tagged else "it was not created by mlspec"


def other_address(tags: Mapping[str, str], owner: ResourceOwner) -> str:
    """The address that a resource was created from, where it is not the project's; "" where either is not known."""
    source = tags.get(SOURCE, "")
    return source if owner.source and source not in (owner.source, owner.beginning) else ""


def unidentified(target: AwsTarget, project: str) -> str:
    """A warning where only its name identifies the project; "" where its address does too."""
    if target.facts.one_project or target.owner.source:
        return ""
    return (
        f"this folder has no git history: only its name identifies the project {project}, and another project of that "
        "name would change the same resources of the account. Commit it: git init && git add --all && git commit"
    )
