"""A service as one resource of a plan: deployed as a whole, or not at all."""

from __future__ import annotations

from dataclasses import dataclass

from mlspec.aws.action import Action, unexpected
from mlspec.cloudformation.stack_import import StackImport
from mlspec.serverless.serverless_program import Serverless


@dataclass(frozen=True)
class ServiceProvider:
    """Executes the actions of a service."""

    service: Serverless
    taken_over: StackImport | None = None
    """What the stack takes over before its first deployment."""

    def apply(self, action: Action) -> None:
        """Create the stack of what exists, deploy the package, or remove the stack.

        Raises StageError where the program refuses."""
        match action.operation:
            case "import" if self.taken_over is not None:
                self.taken_over.execute()
            case "deploy":
                self.service.deploy()
            case "remove":
                self.service.remove()
            case _:
                raise unexpected(action)
