"""What a stage that ships waits for where a tool of its own creates the infrastructure. Pure."""

from __future__ import annotations

from typing import Literal

from mlspec.sections.budget import CostBudget
from mlspec.sections.ci import Ci
from mlspec.sections.deploy import Deploy
from mlspec.sections.registry import Registry
from mlspec.spec.project import Project


def after_infrastructure(project: Project, module: Literal["foundation", "service"]) -> tuple[str, ...]:
    """The record of what is applied before; nothing where `mlspec apply` creates everything itself."""
    deploy = project.get(Deploy)
    if deploy is None or deploy.iac == "none" or deploy.lambda_ is None:
        return ()
    return (f"artifacts/{module}.json",)


def has_foundation(project: Project) -> bool:
    """Whether anything must exist before the function, or beside it in the account."""
    budget = project.get(CostBudget)
    return project.get(Registry) is not None or project.get(Ci) is not None or bool(budget and budget.notify)
