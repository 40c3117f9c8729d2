"""Where the resources of a spec are that `mlspec destroy` removes: with a function, and without one."""

from __future__ import annotations

import os

from mlspec.aws.account import located
from mlspec.aws.aws_location import AwsLocation
from mlspec.aws.desired import DesiredFunction, desired_function, spec_location
from mlspec.aws.error_messages import DESTROY, DESTROY_BUCKET, DESTROY_REGISTRY
from mlspec.aws.owned_bucket import bucket_location, deployment_location, owned_bucket
from mlspec.errors import StageError, UsageError
from mlspec.sections.deploy import Deploy
from mlspec.sections.registry import Registry
from mlspec.shipping import release_file
from mlspec.shipping.removal import ProjectAccount
from mlspec.shipping.target_choice import current
from mlspec.spec.project import Project
from mlspec.stage_context import StageContext


def function_of(project: Project, context: StageContext) -> DesiredFunction | None:
    """The function of the spec at its target; None for none."""
    if not _has_function(project):
        return None
    return desired_function(current(context, spec_location(project).region), project, "")


def place_of(project: Project, context: StageContext, *, anyway: bool) -> ProjectAccount | None:
    """The account and region of a spec without a function; None where the spec has nothing in an account. With
    `anyway` those of the last release, or of the environment. Raises UsageError where no region is known."""
    location = _location(project) or (_last_location(context) if anyway else None)
    if location is None:
        return None
    target = current(context, location.region)
    return ProjectAccount(target, located(target, location), project.info.name)


def destroy_policy(project: Project) -> str:
    """The generated policy with the rights to remove what the spec creates."""
    if _has_function(project):
        return DESTROY
    return DESTROY_REGISTRY if project.get(Registry) is not None else DESTROY_BUCKET


def _has_function(project: Project) -> bool:
    deploy = project.get(Deploy)
    return deploy is not None and deploy.lambda_ is not None


def _location(project: Project) -> AwsLocation | None:
    return deployment_location(project) or (bucket_location(project) if owned_bucket(project) else None)


def _last_location(context: StageContext) -> AwsLocation:
    try:
        release = release_file.read(context.root / "artifacts", context.target)
    except StageError:
        release = None
    host = release.image.repository.split(".") if release and release.image else []
    region = host[3] if host[1:3] == ["dkr", "ecr"] else _configured_region()
    if not region:
        message = "the spec names no AWS region to search"
        raise UsageError(
            message, help="name the one that the resources are in: AWS_REGION=eu-west-1 mlspec destroy --orphans"
        )
    return AwsLocation(region)


def _configured_region() -> str:
    """The region of the environment or of the profile."""
    import boto3

    return os.environ.get("AWS_REGION") or str(boto3.Session().region_name or "")
