"""What the stages `foundation` and `service` would change, for a plan. Reads only."""

from __future__ import annotations

from pathlib import Path

from mlspec.aws.action import Action
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.desired import spec_location
from mlspec.aws.error_messages import DEPLOY, aws_errors
from mlspec.parts.terraform.infrastructure import TerraformModule
from mlspec.parts.terraform.module_preview import preview
from mlspec.parts.terraform.modules import FOUNDATION, SERVICE
from mlspec.shipping.image_push import pushed_digest
from mlspec.shipping.target_choice import observed
from mlspec.spec.project import Project
from mlspec.stage_context import StageContext


def foundation(
    project: Project, artifacts: Path, context: StageContext, target: AwsTarget | None = None
) -> list[Action]:
    """What `terraform apply` would change in the foundation."""
    return _observed(FOUNDATION, project, artifacts, context, target)


def service(project: Project, artifacts: Path, context: StageContext, target: AwsTarget | None = None) -> list[Action]:
    """What `terraform apply` would change in the service."""
    return _observed(SERVICE, project, artifacts, context, target)


def _observed(
    name: str, project: Project, artifacts: Path, context: StageContext, target: AwsTarget | None
) -> list[Action]:
    if not context.facts.delivery_tools:
        return []
    target = target or observed(context, spec_location(project).region)
    root = artifacts.parent
    with aws_errors(DEPLOY):
        digest = pushed_digest(project, artifacts, target)
        module = TerraformModule(name, project, target, root, preview(project, name, root), digest)
        with module.planned() as (actions, _):
            return actions
