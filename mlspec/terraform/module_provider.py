"""A Terraform module as one resource of a plan: applied as a whole, or not at all."""

from __future__ import annotations

from dataclasses import dataclass

from mlspec.aws.action import Action, unexpected
from mlspec.terraform.planned_change import ModulePlan
from mlspec.terraform.terraform_program import Terraform


@dataclass(frozen=True)
class ModuleProvider:
    """Executes the actions of a module."""

    terraform: Terraform

    def apply(self, action: Action) -> None:
        """Apply the saved plan of the action, or forget the module. Raises StageError where Terraform refuses it."""
        if action.operation == "forget":
            self.terraform.forget()
            return
        if action.operation not in ("apply", "destroy"):
            raise unexpected(action)
        self.terraform.apply(str(action.arguments["plan"]))


def module_actions(name: str, plan: ModulePlan, operation: str = "apply") -> list[Action]:
    """What applying the plan of a module changes; nothing where the plan is empty."""
    if not plan.changes:
        return []
    return [Action("terraform-module", name, operation, plan.changes, {"plan": str(plan.file)})]
