"""`deploy.iac: sam` to two AWS SAM templates, and the stages that deploy them.

Other specs do without what makes templates: it is imported where `iac` is `sam`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mlspec.diagnostics import Finding
from mlspec.parts.infrastructure_stages import infrastructure_stages, missing_function, uses
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Stage
from mlspec.sections.delivery_tool import SAM
from mlspec.sections.deploy import Deploy
from mlspec.sections.package import Package
from mlspec.spec.project import Project

NAME: Final = SAM.name
PROGRAMS: Final[dict[str, str]] = {
    SAM.foundation: "mlspec.parts.sam.work:foundation",
    SAM.service: "mlspec.parts.sam.work:service",
}
OBSERVERS: Final[dict[str, str]] = {
    SAM.foundation: "mlspec.parts.sam.stack_preview:foundation",
    SAM.service: "mlspec.parts.sam.stack_preview:service",
}
POLICIES: Final = "mlspec.parts.sam.template_policies:tool_policies"
REMOVALS: Final = "mlspec.parts.sam.stack_deletion:stack_removals"


def check(project: Project) -> Iterator[Finding]:
    """Templates without a function, and what CloudFormation and CodeDeploy cannot do."""
    deploy = project.get(Deploy)
    if deploy is None or not uses(project, SAM):
        return
    yield from missing_function(project, SAM, "templates")
    if deploy.lambda_ is None:
        return
    package = project.get(Package)
    if package is not None and package.zip is not None and package.zip.bucket is None:
        message = "`iac: sam` uploads the zip through an S3 bucket, and `package.zip` names none"
        yield Finding("section-needed", ("package", "zip"), message, "add `bucket: NAME`", on="key")
    from mlspec.parts.cloudformation.template_text import check_text
    from mlspec.parts.cloudformation.traffic_shift import check_rollout

    yield from check_rollout(deploy.rollout, NAME)
    yield from check_text(project, deploy.lambda_)


def stages(project: Project) -> Iterator[Stage]:
    """One stage for each stack."""
    if not uses(project, SAM):
        return
    from mlspec.parts.cloudformation.stacks import stack_function

    if stack_function(project) is not None:
        yield from infrastructure_stages(project, SAM, ["sam"])


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
    """`sam/foundation.yaml`, `sam/service.yaml` and `sam/samconfig.toml`."""
    if not uses(project, SAM):
        return ()
    from mlspec.parts.cloudformation.stacks import stack_function
    from mlspec.parts.sam.sam_templates import files

    spec = stack_function(project)
    return files(project, spec) if spec else ()
