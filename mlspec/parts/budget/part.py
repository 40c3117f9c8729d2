"""The budget part: what the project may cost. It generates nothing; `plan` shows the estimate, `apply` refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mlspec.diagnostics import Finding
from mlspec.parts.part_protocol import no_artifacts, no_stages
from mlspec.sections.budget import CostBudget
from mlspec.sections.delivery_tool import delivery_tool
from mlspec.sections.deploy import Deploy
from mlspec.spec.project import Project

NAME: Final = "budget"
PROGRAMS: Final[dict[str, str]] = {}
stages, artifacts = no_stages, no_artifacts


def check(project: Project) -> Iterator[Finding]:
    """A budget of a project in which nothing has a price."""
    budget, deploy = project.get(CostBudget), project.get(Deploy)
    if budget is not None and budget.notify and not delivery_tool(project).creates:
        message = "nothing creates the alarm of `notify`: `mlspec apply` alone changes no budget of an account"
        help = "set `deploy.iac`, for example to `terraform`; or leave `notify` out"
        yield Finding("budget-alarm-not-created", ("budget", "notify"), message, help, on="key", severity="warning")
    if budget is None or budget.training is not None or {"registry", "bucket"} & project.sections.keys():
        return
    if deploy is None or deploy.lambda_ is None:
        message = "nothing in this spec has a price, so the budget has no effect"
        help = "add `budget.training.price`, or a section that creates something in an account: `registry`, `deploy`"
        yield Finding("budget-without-costs", ("budget",), message, help, on="key", severity="warning")
