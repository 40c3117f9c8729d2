"""The stack of a service as it is in the account. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.error_messages import code_of, message_of
from mlspec.aws.ownership import check_ownership
from mlspec.aws.resource_tags import from_pairs
from mlspec.cloudformation.stack_template import StackTemplate

_TAG = (
    "aws cloudformation update-stack --use-previous-template --capabilities CAPABILITY_NAMED_IAM --stack-name {} --tags"
)


@dataclass(frozen=True, slots=True)
class DeployedStack:
    """A stack: its template, its tags and its outputs."""

    template: StackTemplate
    tags: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)


def deployed_stack(target: AwsTarget, name: str) -> DeployedStack | None:
    """The stack of that name; None where the account has none."""
    from botocore.exceptions import ClientError

    client = target.client("cloudformation")
    try:
        (stack,) = client.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if code_of(error) == "ValidationError" and "does not exist" in message_of(error):
            return None
        raise
    template = StackTemplate.parse(client.get_template(StackName=name)["TemplateBody"])
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}
    return DeployedStack(template, from_pairs(stack.get("Tags", [])), outputs)


def check_owner(name: str, stack: DeployedStack | None, project: str, target: AwsTarget) -> None:
    """Raise StageError for a stack of another project."""
    if stack is not None:
        command = f"{_TAG.format(name)} Key={{}},Value={{}}"
        check_ownership(f"cloudformation stack {name}", stack.tags, project, command, target)
