"""An alarm of AWS Budgets on what a project costs, as a value. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from mlspec.aws.resource_tags import PROJECT, tags
from mlspec.sections.budget import CostBudget, amount

Measured = Literal["ACTUAL", "FORECASTED"]
_THRESHOLDS: Final[tuple[tuple[Measured, int], ...]] = (("ACTUAL", 80), ("FORECASTED", 100))


@dataclass(frozen=True, slots=True)
class CostAlarm:
    """A budget of a month for what carries the project's tag, and who gets a mail when it is used up.

    AWS counts by a tag once it is activated as a cost allocation tag.
    """

    name: str
    project: str
    dollars: str
    addresses: tuple[str, ...]
    thresholds: tuple[tuple[Measured, int], ...] = _THRESHOLDS
    """Costs as percentages of the budget, spent or forecast."""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def filter(self) -> str:
        """The tag that it counts by, in the form of AWS Budgets."""
        return budget_filter(self.project)


def budget_filter(project: str) -> str:
    """The tag of a project in the form of AWS Budgets."""
    return f"user:{PROJECT}${project}"


def cost_alarm(budget: CostBudget | None, function: str, project: str) -> CostAlarm | None:
    """The alarm of the section `budget`; None where no address is to be notified."""
    if budget is None or not budget.notify:
        return None
    dollars = f"{amount(budget.monthly).normalize():f}"
    return CostAlarm(function, project, dollars, tuple(sorted(budget.notify)), tags=tags(project))
