"""Deletes a stack and keeps everything that is in it, so that another tool can manage the resources."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from mlspec.aws.action import Action, unexpected
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.error_messages import message_of
from mlspec.cloudformation.existing_stack import check_changeable, delete, read_stack
from mlspec.cloudformation.stack_template import long_form
from mlspec.errors import StageError

_KEPT: Final[Mapping[str, JsonValue]] = {"DeletionPolicy": "Retain"}
_MARK: Final[Mapping[str, JsonValue]] = {"mlspec": "kept when this stack is deleted"}
"""CloudFormation makes no update that changes policies alone: metadata of each resource change as well."""
_WAIT: Final = {"Delay": 2, "MaxAttempts": 900}


@dataclass(frozen=True)
class StackDetachment:
    """Executes the action `detach` of a stack."""

    target: AwsTarget

    def apply(self, action: Action) -> None:
        """Delete the stack of that name without its resources. Raises StageError where CloudFormation refuses."""
        if action.operation != "detach":
            raise unexpected(action)
        stack = read_stack(self.target, action.name)
        if stack is None:
            return
        check_changeable(stack)
        self._keep_all(stack.name, list(stack.parameters))
        delete(self.target, stack.name)

    def _keep_all(self, name: str, parameters: list[str]) -> None:
        from botocore.exceptions import ClientError, WaiterError

        client = self.target.client("cloudformation")
        body = client.get_template(StackName=name, TemplateStage="Processed")["TemplateBody"]
        try:
            client.update_stack(
                StackName=name,
                TemplateBody=json.dumps(kept(body), separators=(",", ":")),
                Parameters=[{"ParameterKey": one, "UsePreviousValue": True} for one in parameters],
                Capabilities=["CAPABILITY_NAMED_IAM"],
            )
            client.get_waiter("stack_update_complete").wait(StackName=name, WaiterConfig=_WAIT)
        except ClientError as error:
            if "No updates are to be performed" not in message_of(error):  # an interrupted detachment came this far
                raise
        except WaiterError:
            message = f"cloudformation refused the update of stack {name} that keeps its resources; nothing was deleted"
            help = f"see why: aws cloudformation describe-stack-events --stack-name {name}"
            raise StageError(message, help=help) from None


def kept(template: str | Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """A template whose resources all stay when they leave it."""
    document = long_form(template) if isinstance(template, str) else dict(template)
    resources = document.get("Resources", {})
    assert isinstance(resources, dict)
    return {**document, "Resources": {name: _kept(body) for name, body in resources.items()}}


def _kept(body: JsonValue) -> JsonValue:
    assert isinstance(body, dict)
    metadata = body.get("Metadata", {})
    assert isinstance(metadata, dict)
    return {**body, **_KEPT, "Metadata": {**metadata, **_MARK}}
