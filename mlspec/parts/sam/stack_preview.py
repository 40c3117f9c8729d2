"""What the stages `sam-foundation` and `sam-service` would change, for a plan. Reads only."""

from __future__ import annotations

from pathlib import Path

from mlspec.aws.action import Action
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.desired import spec_location
from mlspec.aws.error_messages import aws_errors
from mlspec.parts.cloudformation.stacks import FOUNDATION, SERVICE, stack_function
from mlspec.parts.sam.infrastructure_stack import InfrastructureStack
from mlspec.parts.sam.sam_templates import FOLDER, files
from mlspec.render.renderer import render
from mlspec.sections.delivery_tool import SAM
from mlspec.shipping.image_push import pushed_digest
from mlspec.shipping.target_choice import observed
from mlspec.spec.project import Project
from mlspec.stage_context import StageContext


def foundation(
    project: Project, artifacts: Path, context: StageContext, target: AwsTarget | None = None
) -> list[Action]:
    """What `sam deploy` would change in the foundation."""
    return _observed(FOUNDATION, project, artifacts, context, target)


def service(project: Project, artifacts: Path, context: StageContext, target: AwsTarget | None = None) -> list[Action]:
    """What `sam deploy` would change in the service."""
    return _observed(SERVICE, project, artifacts, context, target)


def _observed(
    part: str, project: Project, artifacts: Path, context: StageContext, target: AwsTarget | None
) -> list[Action]:
    if not context.facts.delivery_tools:
        return []
    target = target or observed(context, spec_location(project).region)
    with aws_errors(SAM.role_file):
        digest = pushed_digest(project, artifacts, target)
        stack = InfrastructureStack(part, project, target, artifacts.parent, template(project, part), digest)
        return stack.change_set() if context.change_set else stack.actions()[0]


def template(project: Project, part: str) -> str:
    """The template as the next build writes it: a plan changes no file."""
    spec = stack_function(project)
    assert spec is not None, "a spec that deploys nothing has no stage that deploys a stack"
    path = f"{FOLDER}/{part}.yaml"
    artifacts = [artifact for artifact in files(project, spec) if artifact.path == path]
    return render(artifacts, project.surroundings.templates)[0].text
