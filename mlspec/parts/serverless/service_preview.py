"""What the stages of the services would change, for a plan. Changes nothing outside `.mlspec/`."""

from __future__ import annotations

import shutil
from pathlib import Path

from mlspec.aws.action import Action
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.desired import spec_location
from mlspec.aws.error_messages import aws_errors
from mlspec.cloudformation.sam_program import RunProgram, run_program
from mlspec.parts.cloudformation.stacks import FOUNDATION, SERVICE, stack_function
from mlspec.parts.serverless.service_deployment import ServiceDeployment
from mlspec.parts.serverless.services import FOLDER, foundation_files, service_files
from mlspec.render.renderer import render
from mlspec.sections.delivery_tool import SERVERLESS
from mlspec.shipping.image_push import pushed_digest
from mlspec.shipping.target_choice import observed
from mlspec.spec.project import Project
from mlspec.stage_context import StageContext


def foundation(
    project: Project,
    artifacts: Path,
    context: StageContext,
    target: AwsTarget | None = None,
    run: RunProgram = run_program,
) -> list[Action]:
    """What deploying the foundation would change."""
    return _observed(FOUNDATION, project, artifacts, context, target, run)


def service(
    project: Project,
    artifacts: Path,
    context: StageContext,
    target: AwsTarget | None = None,
    run: RunProgram = run_program,
) -> list[Action]:
    """What deploying the service would change."""
    return _observed(SERVICE, project, artifacts, context, target, run)


def _observed(
    name: str, project: Project, artifacts: Path, context: StageContext, target: AwsTarget | None, run: RunProgram
) -> list[Action]:
    if not context.facts.delivery_tools:
        return []
    target = target or observed(context, spec_location(project).region)
    root = artifacts.parent
    with aws_errors(SERVERLESS.role_file):
        digest = pushed_digest(project, artifacts, target)
        folder = _preview(project, name, root)
        service = ServiceDeployment(name, project, target, root, folder, digest, run)
        return service.change_set() if context.change_set else service.planned()[0]


def _preview(project: Project, name: str, root: Path) -> Path:
    """The files of a service as the next build writes them, in a folder of their own: a plan changes no file.

    It is as deep in the project as the service itself, so that a path to the zip leads to the same file.
    """
    spec = stack_function(project)
    assert spec is not None, "a spec that deploys nothing has no stage that plans a service"
    folder = root / ".mlspec" / f"{FOLDER}-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    files = foundation_files(project, spec) if name == FOUNDATION else service_files(project, spec)
    for rendered in render(files, project.surroundings.templates):
        path = folder / rendered.path.removeprefix(f"{FOLDER}/{name}/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rendered.text, encoding="utf-8")
    return folder
