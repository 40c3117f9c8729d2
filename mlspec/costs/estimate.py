"""The estimate of a project on this machine: its spec, the prices of its region, and what earlier runs have shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal

from mlspec.aws.function_spec import function_location
from mlspec.costs.monthly_costs import CostLine, Measured, monthly_costs, total
from mlspec.costs.price_list import BUILT_IN, PriceList, price_list
from mlspec.diagnostics import Finding
from mlspec.dvc.dvc_lock import LOCK, stored_bytes
from mlspec.records.packaged import PackagedImage
from mlspec.records.profile import Profile
from mlspec.sections.budget import CostBudget, amount
from mlspec.sections.data import DataSpec
from mlspec.sections.delivery_tool import TOOLS
from mlspec.sections.deploy import Deploy
from mlspec.sections.registry import Registry
from mlspec.spec.project import Project
from mlspec.spec.spec_model import dotted

_OF_TOOLS = {stage for tool in TOOLS.values() if tool.creates for stage in (tool.foundation, tool.service)}
CREATES = frozenset({"bucket", "push", "deploy"} | _OF_TOOLS)
"""Stages that create or change what costs something in an account."""


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """The lines, the region of the project, the prices that they are computed with, and the budget in US dollars."""

    lines: tuple[CostLine, ...]
    region: str
    prices: PriceList
    limit: Decimal | None

    def excess(self, severity: Literal["error", "warning"]) -> Finding | None:
        """The finding of an estimate above the budget, which names the key that costs most; None within it."""
        costs = total(self.lines)
        if self.limit is None or costs <= self.limit:
            return None
        most = max(self.lines, key=lambda line: line.dollars)
        message = (
            f"the project costs about {costs:.2f} USD a month, and the budget is {self.limit:.2f} USD; "
            f"most is for {most.name}: {most.dollars:.2f} USD ({most.basis})"
        )
        help = f"change `{dotted(most.key)}`, or raise budget.monthly; every line of the estimate: mlspec plan"
        return Finding("over-budget", ("budget", "monthly"), message, help, severity=severity)


def cost_estimate(project: Project, root: Path, seconds: Mapping[str, float]) -> CostEstimate | None:
    """The estimate; None of a project in which nothing has a price. `seconds` is how long each stage took.

    Raises MlspecError for a damaged file of prices.
    """
    region = region_of(project)
    prices = price_list(root, region)
    lines = monthly_costs(project, prices, _measured(project, root, seconds))
    if not lines:
        return None
    budget = project.get(CostBudget)
    return CostEstimate(lines, region, prices, amount(budget.monthly) if budget is not None else None)


def region_of(project: Project) -> str:
    """The region of the function, else that of the registry; without both that of the prices that mlspec has."""
    deploy, registry = project.get(Deploy), project.get(Registry)
    location = (
        function_location(deploy.lambda_, registry) if deploy is not None and deploy.lambda_ is not None else None
    )
    if location is not None:
        return location.region
    return registry.ecr.region if registry is not None else BUILT_IN.region


def _measured(project: Project, root: Path, seconds: Mapping[str, float]) -> Measured:
    image, profile, data = (
        PackagedImage.find(root / "artifacts"),
        Profile.find(root / "artifacts"),
        project.get(DataSpec),
    )
    target = profile.columns.get(data.target.column) if profile is not None and data is not None else None
    labels = (data.target.labels if data is not None else ()) or (target.shares if target is not None else ())
    return Measured(
        image_bytes=image.size_bytes if image is not None else None,
        stored_bytes=_stored_bytes(root),
        training_seconds=seconds.get("train"),
        labels=len(labels) or None,
    )


def _stored_bytes(root: Path) -> int | None:
    """The size of the files in `dvc.lock`; None before the first run."""
    try:
        return stored_bytes((root / LOCK).read_text(encoding="utf-8")) or None
    except (OSError, UnicodeDecodeError):
        return None
