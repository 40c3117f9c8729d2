"""A service as one resource of a plan: deployed as a whole, or not at all."""

from __future__ import annotations

from dataclasses import dataclass

from mlspec.aws.action import Action, unexpected
from mlspec.cloudformation.stack_template import StackTemplate
from mlspec.serverless.packaged_service import PackagedService
from mlspec.serverless.serverless_program import Serverless
from mlspec.serverless.template_changes import removed, template_changes


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


def deploy_actions(stack: str, package: PackagedService, current: StackTemplate | None) -> list[Action]:
    """What deploying the package changes in its stack; nothing where the templates are equal."""
    changes = template_changes(package.template, current or StackTemplate({}))
    return [Action("serverless-service", stack, "deploy", changes)] if changes else []


def remove_actions(stack: str, current: StackTemplate) -> list[Action]:
    """The removal of a stack."""
    return [Action("serverless-service", stack, "remove", removed(current))]
