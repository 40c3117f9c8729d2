"""What makes a run impossible although the spec is valid: reported with its place, before anything is written."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mlspec.diagnostics import Diagnostic, Finding
from mlspec.errors import SpecError, UsageError

if TYPE_CHECKING:
    from mlspec.apply.apply_plan import ApplyPlan
    from mlspec.diagnostics import Location
    from mlspec.source.document import Node

_MOST = 500
"""Most files of a folder that are compared with a missing name."""


def check_preflight(plan: ApplyPlan, *, push: bool = False) -> None:
    """Raise ConflictError where the build would replace edits of the user, SpecError where data is missing.

    Raises UsageError where the results are to be pushed and the spec has no DVC remote.
    """
    from mlspec.sections.data import DataSpec

    data = plan.build.project.get(DataSpec)
    if push and (data is None or data.remote is None):
        raise UsageError("--push needs a DVC remote", help="add `data.remote`, for example s3://my-bucket/dvc")
    if conflict := plan.changes.conflict():
        raise conflict
    if findings := preflight_findings(plan, "error"):
        raise SpecError(findings)


def check_compatibility(plan: ApplyPlan) -> None:
    """Raise StageError where the plan breaks clients of the live version and that is not allowed.

    The stage that deploys checks again, with the signature that was built.
    """
    from mlspec.shipping.breaking_changes import broken

    if plan.remote.breaking and not plan.context.allow_breaking:
        raise broken(plan.remote.breaking)


def preflight_findings(plan: ApplyPlan, severity: Literal["error", "warning"]) -> list[Diagnostic]:
    """Missing data that the stage `data` would read, and costs above the budget of what the due stages would create."""
    due = {step.stage.name for step in plan.schedule.due}
    return [*(_missing(plan, severity) if "data" in due else ()), *_over_budget(plan, due, severity)]


def _over_budget(plan: ApplyPlan, due: set[str], severity: Literal["error", "warning"]) -> Iterator[Diagnostic]:
    from mlspec.costs.estimate import CREATES, cost_estimate
    from mlspec.sections.budget import CostBudget
    from mlspec.source.reader import read

    project = plan.build.project
    budget = project.get(CostBudget)
    if budget is None or not plan.context.facts.billed:
        return
    if due & CREATES or (budget.training is not None and "train" in due):
        estimate = cost_estimate(project, plan.request.where.root, plan.estimates)
        if estimate is not None and (excess := estimate.excess(severity)) is not None:
            document = read(plan.request.where.spec)
            yield document.diagnostic(_of_environment(document.root, excess, project.environment))


def _of_environment(root: Node, finding: Finding, environment: str | None) -> Finding:
    """The finding at the key of the environment's overlay, where that sets it."""
    own = ("environments", environment or "", *finding.at)
    return finding._replace(at=own) if _stands(root, own) else finding


def _missing(plan: ApplyPlan, severity: Literal["error", "warning"]) -> Iterator[Diagnostic]:
    from mlspec.parts.data.section_checks import source_at
    from mlspec.sections.data import DataSpec
    from mlspec.source.reader import read
    from mlspec.spec.names import suggest

    where = plan.request.where
    project, document = plan.build.project, read(where.spec)
    data = project.get(DataSpec)
    for name, source in data.sources.items() if data else ():
        if source in project.surroundings.absent:
            own = ("environments", project.environment or "", *source_at(name))
            at = own if _stands(document.root, own) else source_at(name)
            near = suggest(source, _beside(source, where.root))
            help = near or f"add the file, or correct the path; it is relative to {where.root}"
            message = f"file not found: {source}"
            yield document.diagnostic(Finding("missing-file", at, message, help, severity=severity))


def _beside(path: str, root: Path) -> list[str]:
    """The other files in the folder of `path`."""
    folder = Path(path).parent
    try:
        names = [entry.name for entry in itertools.islice((root / folder).iterdir(), _MOST)]
    except OSError:
        return []
    return sorted((folder / name).as_posix() for name in names if not name.startswith("."))


def _stands(root: Node, at: Location) -> bool:
    node: Node | None = root
    for step in at:
        node = node.child(step) if node is not None else None
    return node is not None
