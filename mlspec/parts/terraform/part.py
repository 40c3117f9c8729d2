"""`deploy.iac: terraform` to two modules in plain HCL, and the stages that plan and apply them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from pydantic import BaseModel

from mlspec.diagnostics import Finding
from mlspec.parts.terraform.modules import deployed_function, files, secret_names
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Stage
from mlspec.sections.deploy import Deploy
from mlspec.spec.project import Project

NAME: Final = "terraform"
SECTIONS: Final[dict[str, type[BaseModel]]] = {}
PROGRAMS: Final[dict[str, str]] = {}


def check(project: Project) -> Iterator[Finding]:
    """Secrets that would be in the state, and settings of a tool that is not chosen."""
    deploy = project.get(Deploy)
    if deploy is None:
        return
    if deploy.iac == "terraform" and deploy.lambda_ is not None:
        for name in secret_names(deploy.lambda_):
            at = ("deploy", "lambda", "environment", name)
            message = f"Terraform stores the value of `{name}` in its state"
            help = "use an encrypted backend that few can read (deploy.terraform.backend: s3), or read the secret in "\
                "the function's code from AWS Secrets Manager"
            yield Finding("secret-in-state", at, message, help, severity="warning")


def stages(project: Project) -> Iterator[Stage]:
    """None yet."""
    return iter(())


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
    """The modules `terraform/foundation` and `terraform/service`."""
    deploy, spec = project.get(Deploy), deployed_function(project)
    return files(project, spec) if deploy and deploy.iac == "terraform" and spec else ()
