"""A service as one resource of a plan: deployed as a whole, or not at all."""

from __future__ import annotations

from dataclasses import dataclass

from mlspec.aws.action import Action, unexpected
from mlspec.serverless.serverless_program import Serverless


@dataclass(frozen=True)
class ServiceProvider:
    """Executes the actions of a service."""

    service: Serverless

    def apply(self, action: Action) -> None:
        """Deploy the package, or remove the stack. Raises StageError where the program refuses."""
        match action.operation:
            case "deploy":
                self.service.deploy()
            case "remove":
                self.service.remove()
            case _:
                raise unexpected(action)
