"""`deploy.iac: serverless` to two services of the Serverless Framework, and the stages that deploy them.

Other specs do without what makes services: it is imported where `iac` is `serverless`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mlspec.diagnostics import Finding
from mlspec.parts.infrastructure_stages import infrastructure_stages, missing_function, uses
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Stage
from mlspec.sections.ci import Ci
from mlspec.sections.delivery_tool import SERVERLESS
from mlspec.sections.deploy import Deploy
from mlspec.source import npm_lock
from mlspec.spec.project import Project

NAME: Final = SERVERLESS.name
PROGRAMS: Final[dict[str, str]] = {
    SERVERLESS.foundation: "mlspec.parts.serverless.work:foundation",
    SERVERLESS.service: "mlspec.parts.serverless.work:service",
}
OBSERVERS: Final[dict[str, str]] = {
    SERVERLESS.foundation: "mlspec.parts.serverless.service_preview:foundation",
    SERVERLESS.service: "mlspec.parts.serverless.service_preview:service",
}
POLICIES: Final = "mlspec.parts.serverless.service_policies:tool_policies"
REMOVALS: Final = "mlspec.parts.serverless.service_removal:service_removals"


def check(project: Project) -> Iterator[Finding]:
    """Services without a function, and what CloudFormation and CodeDeploy cannot do."""
    deploy = project.get(Deploy)
    if deploy is None or not uses(project, SERVERLESS):
        return
    yield from missing_function(project, SERVERLESS, "services")
    if deploy.lambda_ is None:
        return
    from mlspec.parts.cloudformation.template_text import check_text
    from mlspec.parts.cloudformation.traffic_shift import check_rollout

    yield from check_rollout(deploy.rollout, NAME)
    yield from check_text(project, deploy.lambda_)
    if project.get(Ci) is not None:
        yield from _check_program(deploy)
        yield from _check_lock(project)


def _check_program(deploy: Deploy) -> Iterator[Finding]:
    """A program that the workflow does not install."""
    if deploy.serverless.program == "serverless":
        fork = SERVERLESS.npm_package
        message = f"the release workflow installs {fork}: `serverless` 4 needs a login and downloads itself past a lock"
        key = ("deploy", "serverless", "program")
        yield Finding("program-not-installed", key, message, "set osls, which reads the same files")


def _check_lock(project: Project) -> Iterator[Finding]:
    """A workflow that would install the framework with packages that nothing verifies, or not at all."""
    package, lock = SERVERLESS.npm_package, project.surroundings.npm
    missing = f"the release workflow installs {package} without hashes: {npm_lock.FILE} is missing"
    message = missing if lock is None else lock.fault(package)
    if message:
        yield Finding("unlocked-framework", ("deploy", "iac"), message, "mlspec lock", severity="warning")


def stages(project: Project) -> Iterator[Stage]:
    """One stage for each service."""
    deploy = project.get(Deploy)
    if deploy is None or not uses(project, SERVERLESS):
        return
    from mlspec.parts.cloudformation.stacks import stack_function

    program = deploy.serverless.program
    if stack_function(project) is not None:
        programs = ["osls or serverless" if program == "auto" else program]
        yield from infrastructure_stages(project, SERVERLESS, programs)


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
    """The services `serverless/foundation` and `serverless/service`."""
    if not uses(project, SERVERLESS):
        return
    from mlspec.parts.cloudformation.stacks import stack_function
    from mlspec.parts.serverless.services import foundation_files, service_files

    if (spec := stack_function(project)) is not None:
        name, _, release = SERVERLESS.npm_package.rpartition("@")
        values = {"text": npm_lock.package_json(name, release)}
        yield Artifact(f"{npm_lock.FOLDER}/package.json", "serverless/package.json.j2", values)
        yield from foundation_files(project, spec)
        yield from service_files(project, spec)
