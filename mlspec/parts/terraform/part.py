"""`deploy.iac: terraform` to two modules in plain HCL, and the stages that plan and apply them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mlspec.diagnostics import Finding
from mlspec.parts.infrastructure_files import has_foundation
from mlspec.parts.terraform.modules import (
    DONE,
    FOUNDATION,
    SERVICE,
    deployed_function,
    files,
    secret_names,
)
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Output, Stage
from mlspec.sections.deploy import Deploy
from mlspec.spec.project import Project

NAME: Final = "terraform"
PROGRAMS: Final[dict[str, str]] = {
    FOUNDATION: "mlspec.parts.terraform.work:foundation",
    SERVICE: "mlspec.parts.terraform.work:service",
}
OBSERVERS: Final[dict[str, str]] = {
    FOUNDATION: "mlspec.parts.terraform.observed:foundation",
    SERVICE: "mlspec.parts.terraform.observed:service",
}


def check(project: Project) -> Iterator[Finding]:
    """Modules without a function, and secrets that would be in the state."""
    deploy = project.get(Deploy)
    if deploy is None or deploy.iac != "terraform":
        return
    if deploy.lambda_ is None:
        message = "`iac: terraform` needs `deploy.lambda`: the modules describe the function and what it needs"
        yield Finding("section-needed", ("deploy", "iac"), message, "add `lambda: {}`", on="key")
        return
    for name in secret_names(deploy.lambda_):
        message = f"Terraform stores the value of `{name}` in its state"
        help = (
            "use an encrypted backend that few can read (`terraform: {backend: s3}`), or let the function read the "
            "secret from AWS Secrets Manager"
        )
        at = ("deploy", "lambda", "environment", name)
        yield Finding("secret-in-state", at, message, help, severity="warning", on="key")


def stages(project: Project) -> Iterator[Stage]:
    """One stage for each module: the image is pushed between them."""
    deploy, spec = project.get(Deploy), deployed_function(project)
    if deploy is None or deploy.iac != "terraform" or spec is None:
        return
    needs = ("terraform", "extra:aws")
    if has_foundation(project):
        yield Stage(
            name=FOUNDATION,
            description="Apply the Terraform module with the registry and the role for releases",
            part=NAME,
            outputs=(Output(DONE[FOUNDATION], cache=False),),
            params=("deploy",),
            needs=needs,
            effects=True,
        )
    yield Stage(
        name=SERVICE,
        description="Apply the Terraform module with the function and what belongs to it",
        part=NAME,
        inputs=("artifacts/image.json", "artifacts/function.zip" if spec.package.zip else "artifacts/release.json"),
        outputs=(Output(DONE[SERVICE], cache=False),),
        params=("deploy",),
        needs=needs,
        effects=True,
    )


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
    """The modules `terraform/foundation` and `terraform/service`."""
    deploy, spec = project.get(Deploy), deployed_function(project)
    return files(project, spec) if deploy and deploy.iac == "terraform" and spec else ()
