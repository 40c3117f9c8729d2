"""`deploy.iac: sam` to two AWS SAM templates, and the stages that deploy them.

Other specs do without what makes templates: it is imported where `iac` is `sam`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mlspec.diagnostics import Finding
from mlspec.parts.infrastructure_files import has_foundation
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Output, Stage
from mlspec.sections.deploy import Deploy
from mlspec.sections.package import Package
from mlspec.spec.project import Project

NAME: Final = "sam"
PROGRAMS: Final[dict[str, str]] = {
    "sam-foundation": "mlspec.parts.sam.work:foundation",
    "sam-service": "mlspec.parts.sam.work:service",
}
OBSERVERS: Final[dict[str, str]] = {
    "sam-foundation": "mlspec.parts.sam.stack_preview:foundation",
    "sam-service": "mlspec.parts.sam.stack_preview:service",
}


def check(project: Project) -> Iterator[Finding]:
    """Templates without a function, and what CloudFormation and CodeDeploy cannot do."""
    deploy = project.get(Deploy)
    if deploy is None or deploy.iac != "sam":
        return
    if deploy.lambda_ is None:
        message = "`iac: sam` needs `deploy.lambda`: the templates describe the function and what it needs"
        yield Finding("section-needed", ("deploy", "iac"), message, "add `lambda: {}`", on="key")
        return
    package = project.get(Package)
    if package is not None and package.zip is not None and package.zip.bucket is None:
        message = "`iac: sam` uploads the zip through an S3 bucket, and `package.zip` names none"
        yield Finding("section-needed", ("package", "zip"), message, "add `bucket: NAME`", on="key")
    from mlspec.parts.cloudformation.template_text import check_text
    from mlspec.parts.cloudformation.traffic_shift import check_rollout

    yield from check_rollout(deploy.rollout, "sam")
    yield from check_text(project, deploy.lambda_)


def stages(project: Project) -> Iterator[Stage]:
    """One stage for each stack: the image is pushed between them."""
    deploy = project.get(Deploy)
    if deploy is None or deploy.iac != "sam":
        return
    from mlspec.parts.cloudformation.stacks import stack_function

    if (spec := stack_function(project)) is None:
        return
    needs = ("sam", "extra:aws")
    if has_foundation(project):
        yield Stage(
            name="sam-foundation",
            description="Deploy the stack with the registry and the role for releases",
            part=NAME,
            outputs=(Output("artifacts/foundation.json", cache=False),),
            params=("deploy",),
            needs=needs,
            effects=True,
        )
    yield Stage(
        name="sam-service",
        description="Deploy the stack with the function, and release the new version to clients",
        part=NAME,
        inputs=("artifacts/image.json", "artifacts/function.zip" if spec.package.zip else "artifacts/release.json"),
        outputs=(Output("artifacts/service.json", cache=False),),
        params=("deploy",),
        needs=needs,
        effects=True,
    )


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
    """`sam/foundation.yaml`, `sam/service.yaml` and `sam/samconfig.toml`."""
    deploy = project.get(Deploy)
    if deploy is None or deploy.iac != "sam":
        return ()
    from mlspec.parts.cloudformation.stacks import stack_function
    from mlspec.parts.sam.sam_templates import files

    spec = stack_function(project)
    return files(project, spec) if spec else ()
