"""What a stage that ships waits for where a tool of its own creates the infrastructure. Pure."""

from __future__ import annotations

from typing import Literal

from mlspec.sections.deploy import Deploy
from mlspec.spec.project import Project


def after_infrastructure(project: Project, module: Literal["foundation", "service"]) -> tuple[str, ...]:
    """The record of what is applied before; nothing where `mlspec apply` creates everything itself."""
    deploy = project.get(Deploy)
    if deploy is None or deploy.iac not in ("terraform", "sam") or deploy.lambda_ is None:
        return ()
    return (f"artifacts/{module}.json",)
