"""A stack as one resource of a plan: deployed as a whole, or not at all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from mlspec.aws.action import Action, unexpected
from mlspec.aws.aws_target import AwsTarget
from mlspec.cloudformation.existing_stack import FailedResource, delete, failed_resources, read_stack
from mlspec.cloudformation.sam_program import FailedDeploymentError, SamDeployment
from mlspec.cloudformation.stack_import import StackImport
from mlspec.errors import StageError

_CLOCKS: Final = timedelta(minutes=2)
"""How far this machine's clock may be ahead of AWS's."""
_MOST: Final = 5


@dataclass(frozen=True)
class StackProvider:
    """Executes the actions of a stack. `template` is the generated file that messages point at, relative to `root`."""

    target: AwsTarget
    root: Path
    template: str
    deployment: SamDeployment | None = None
    """None where the stack is only removed."""
    taken_over: StackImport | None = None
    """What the stack takes over before its first deployment."""

    def apply(self, action: Action) -> None:
        """Create the stack of what exists, deploy or delete it. Raises StageError with the place in the template of
        what failed."""
        match action.operation:
            case "import" if self.taken_over is not None:
                self.taken_over.execute()
            case "deploy" if self.deployment is not None:
                self._deploy(self.deployment)
            case "delete":
                delete(self.target, action.name)
            case _:
                raise unexpected(action)

    def _deploy(self, deployment: SamDeployment) -> None:
        since = datetime.now(UTC) - _CLOCKS
        try:
            deployment.deploy()
        except FailedDeploymentError as error:
            stack = read_stack(self.target, deployment.stack)
            failed = failed_resources(self.target, stack, since) if stack else []
            raise self._error(deployment.stack, failed, error) from None

    def _error(self, stack: str, failed: list[FailedResource], error: FailedDeploymentError) -> StageError:
        lines = [self._located(one) for one in failed[:_MOST]] or error.last_lines
        message = f"sam deploy of {stack} failed: " + "\n  ".join(lines)
        help = "correct what the message names, then: mlspec apply. CloudFormation has restored the last state"
        return StageError(message, help=help)

    def _located(self, failed: FailedResource) -> str:
        """`sam/service.yaml:12: Role (AWS::IAM::Role): REASON`."""
        line = line_of(failed.id, (self.root / self.template).read_text(encoding="utf-8"))
        place = f"{self.template}:{line}" if line else self.template
        return f"{place}: {failed.id} ({failed.type}): {failed.reason}"


def line_of(id: str, template: str) -> int:
    """The line of a resource in a template; of one that SAM creates, that of the resource that it belongs to; 0 where
    there is none."""
    ids = {m[1]: template.count("\n", 0, m.start()) + 1 for m in re.finditer(r"(?m)^  ([A-Za-z0-9]+):$", template)}
    owner = max((one for one in ids if id.startswith(one)), key=len, default="")
    return ids.get(owner, 0)
