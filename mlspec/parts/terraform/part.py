"""`deploy.iac: terraform` to two modules in plain HCL, and the stages that plan and apply them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mlspec.diagnostics import Finding
from mlspec.parts.infrastructure_stages import infrastructure_stages, missing_function, uses
from mlspec.parts.terraform.modules import deployed_function, files, secret_names
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Stage
from mlspec.sections.delivery_tool import TERRAFORM
from mlspec.sections.deploy import Deploy
from mlspec.spec.project import Project

NAME: Final = TERRAFORM.name
PROGRAMS: Final[dict[str, str]] = {
    TERRAFORM.foundation: "mlspec.parts.terraform.work:foundation",
    TERRAFORM.service: "mlspec.parts.terraform.work:service",
}
OBSERVERS: Final[dict[str, str]] = {
    TERRAFORM.foundation: "mlspec.parts.terraform.observed:foundation",
    TERRAFORM.service: "mlspec.parts.terraform.observed:service",
}
POLICIES: Final = "mlspec.parts.terraform.module_policies:tool_policies"
REMOVALS: Final = "mlspec.parts.terraform.module_removal:planned_removals"
LEFT: Final = "mlspec.parts.terraform.module_removal:left"


def check(project: Project) -> Iterator[Finding]:
    """Modules without a function, and secrets that would be in the state."""
    deploy = project.get(Deploy)
    if deploy is None or not uses(project, TERRAFORM):
        return
    yield from missing_function(project, TERRAFORM, "modules")
    for name in secret_names(deploy.lambda_) if deploy.lambda_ is not None else ():
        message = f"Terraform stores the value of `{name}` in its state"
        help = (
            "use an encrypted backend that few can read (`terraform: {backend: s3}`), or let the function read the "
            "secret from AWS Secrets Manager"
        )
        at = ("deploy", "lambda", "environment", name)
        yield Finding("secret-in-state", at, message, help, severity="warning", on="key")


def stages(project: Project) -> Iterator[Stage]:
    """One stage for each module."""
    if uses(project, TERRAFORM) and deployed_function(project) is not None:
        yield from infrastructure_stages(project, TERRAFORM, ["terraform"])


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
    """The modules `terraform/foundation` and `terraform/service`."""
    spec = deployed_function(project) if uses(project, TERRAFORM) else None
    return files(project, spec) if spec else ()
