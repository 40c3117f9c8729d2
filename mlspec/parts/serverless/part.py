"""`deploy.iac: serverless` to two services of the Serverless Framework, and the stages that deploy them.

Other specs do without what makes services: it is imported where `iac` is `serverless`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mlspec.diagnostics import Finding
from mlspec.parts.infrastructure_files import has_foundation
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Output, Stage
from mlspec.sections.deploy import Deploy
from mlspec.spec.project import Project

NAME: Final = "serverless"
PROGRAMS: Final[dict[str, str]] = {
    "serverless-foundation": "mlspec.parts.serverless.work:foundation",
    "serverless-service": "mlspec.parts.serverless.work:service",
}
OBSERVERS: Final[dict[str, str]] = {
    "serverless-foundation": "mlspec.parts.serverless.service_preview:foundation",
    "serverless-service": "mlspec.parts.serverless.service_preview:service",
}


def check(project: Project) -> Iterator[Finding]:
    """Services without a function, and what CloudFormation and CodeDeploy cannot do."""
    deploy = project.get(Deploy)
    if deploy is None or deploy.iac != "serverless":
        return
    if deploy.lambda_ is None:
        message = "`iac: serverless` needs `deploy.lambda`: the services describe the function and what it needs"
        yield Finding("section-needed", ("deploy", "iac"), message, "add `lambda: {}`", on="key")
        return
    from mlspec.parts.cloudformation.template_text import check_text
    from mlspec.parts.cloudformation.traffic_shift import check_rollout

    yield from check_rollout(deploy.rollout, "serverless")
    yield from check_text(project, deploy.lambda_)


def stages(project: Project) -> Iterator[Stage]:
    """One stage for each service: the image is pushed between them."""
    deploy = project.get(Deploy)
    if deploy is None or deploy.iac != "serverless":
        return
    from mlspec.parts.cloudformation.stacks import stack_function

    if (spec := stack_function(project)) is None:
        return
    program = "osls or serverless" if deploy.serverless.program == "auto" else deploy.serverless.program
    needs = (program, "extra:aws")
    if has_foundation(project):
        yield Stage(
            name="serverless-foundation",
            description="Deploy the stack with the registry and the role for releases",
            part=NAME,
            outputs=(Output("artifacts/foundation.json", cache=False),),
            params=("deploy",),
            needs=needs,
            effects=True,
        )
    yield Stage(
        name="serverless-service",
        description="Deploy the stack with the function, and release the new version to clients",
        part=NAME,
        inputs=("artifacts/image.json", "artifacts/function.zip" if spec.package.zip else "artifacts/release.json"),
        outputs=(Output("artifacts/service.json", cache=False),),
        params=("deploy",),
        needs=needs,
        effects=True,
    )


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
    """The services `serverless/foundation` and `serverless/service`."""
    deploy = project.get(Deploy)
    if deploy is None or deploy.iac != "serverless":
        return
    from mlspec.parts.cloudformation.stacks import stack_function
    from mlspec.parts.serverless.services import foundation_files, service_files

    if (spec := stack_function(project)) is not None:
        yield from foundation_files(project, spec)
        yield from service_files(project, spec)
