"""What the parts of the delivery tools share: their stages, and what every tool needs of a spec. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from mlspec.diagnostics import Finding
from mlspec.plan.stage import Output, Stage
from mlspec.sections.bucket import BucketSpec
from mlspec.sections.budget import CostBudget
from mlspec.sections.ci import Ci
from mlspec.sections.delivery_tool import DeliveryTool, delivery_tool
from mlspec.sections.deploy import Deploy
from mlspec.sections.package import Package
from mlspec.sections.registry import Registry
from mlspec.spec.project import Project


def after_infrastructure(project: Project, module: Literal["foundation", "service"]) -> tuple[str, ...]:
    """The record of what is applied before; nothing where `mlspec apply` creates everything itself."""
    deploy = project.get(Deploy)
    if deploy is None or not delivery_tool(project).creates or deploy.lambda_ is None:
        return ()
    return (f"artifacts/{module}.json",)


def has_foundation(project: Project) -> bool:
    """Whether anything must exist before the function, or beside it in the account."""
    budget = project.get(CostBudget)
    named = project.get(Registry) is not None or project.get(Ci) is not None or project.get(BucketSpec) is not None
    return named or bool(budget and budget.notify)


def uses(project: Project, tool: DeliveryTool) -> bool:
    """Whether the spec leaves its deployment to that tool."""
    return delivery_tool(project) == tool


def missing_function(project: Project, tool: DeliveryTool, files: str) -> Iterator[Finding]:
    """A tool whose `files` (templates, modules, services) would describe nothing."""
    deploy = project.get(Deploy)
    if deploy is not None and deploy.lambda_ is None:
        message = f"`iac: {tool.name}` needs `deploy.lambda`: the {files} describe the function and what it needs"
        yield Finding("section-needed", ("deploy", "iac"), message, "add `lambda: {}`", on="key")


def infrastructure_stages(project: Project, tool: DeliveryTool, programs: Sequence[str]) -> Iterator[Stage]:
    """The stages of a tool that deploys by `programs`: the image is pushed between them."""
    needs, package = (*programs, "extra:aws"), project.get(Package)
    released = ", and release the new version to clients" if tool.releases else " and what belongs to it"
    if has_foundation(project):
        yield Stage(
            name=tool.foundation,
            description=f"{tool.described} with the registry and the role for releases",
            part=tool.name,
            outputs=(Output("artifacts/foundation.json", cache=False),),
            params=("deploy",),
            needs=needs,
            effects=True,
        )
    zipped = package is not None and package.zip is not None
    yield Stage(
        name=tool.service,
        description=f"{tool.described} with the function{released}",
        part=tool.name,
        inputs=("artifacts/image.json", *(_zipped(project) if zipped else ("artifacts/release.json",))),
        outputs=(Output("artifacts/service.json", cache=False),),
        params=("deploy",),
        needs=needs,
        effects=True,
    )


def _zipped(project: Project) -> tuple[str, ...]:
    """The zip, and the record of the foundation where that has the bucket that it is uploaded through."""
    own = project.get(BucketSpec) is not None
    return ("artifacts/function.zip", *(("artifacts/foundation.json",) if own else ()))
