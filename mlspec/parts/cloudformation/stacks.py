"""The two stacks of a deployment: what must exist before an image can be pushed, and what runs the image. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from mlspec.aws import stack_policy
from mlspec.aws.cost_alarm import cost_alarm
from mlspec.aws.ecr import ecr_location, push_policy, repository
from mlspec.aws.function_spec import FunctionSpec, function_location
from mlspec.aws.owned_bucket import owned_bucket, upload_rights
from mlspec.aws.policy_document import PolicyDocument
from mlspec.parts.ci.data_roles import data_roles
from mlspec.parts.ci.release_workflow import LONGEST_SESSION, ship_minutes
from mlspec.parts.cloudformation import codedeploy_resources, foundation_resources, service_resources
from mlspec.parts.cloudformation.cloudformation_resource import (
    GITHUB_REPOSITORY,
    CloudFormationResource,
    stack_location,
)
from mlspec.parts.cloudformation.service_resources import references
from mlspec.parts.cloudformation.traffic_shift import traffic_shift
from mlspec.sections.budget import CostBudget
from mlspec.sections.ci import Ci
from mlspec.sections.deploy import Deploy, Rollout
from mlspec.sections.package import Package
from mlspec.sections.registry import Registry
from mlspec.spec.project import Project

FOUNDATION: Final = "foundation"
SERVICE: Final = "service"
_NONE: Final[Mapping[str, PolicyDocument]] = {}
_SESSION: Final = 3600
"""Seconds of a session of a role, unless the role allows more."""


def stack_function(project: Project) -> FunctionSpec | None:
    """The function of the spec in the account of the stack; None where the spec deploys none."""
    deploy, package, registry = project.get(Deploy), project.get(Package), project.get(Registry)
    if deploy is None or deploy.lambda_ is None or package is None:
        return None
    location = function_location(deploy.lambda_, registry)
    name = registry.ecr.repository if registry else ""
    if location is None:
        return None
    return FunctionSpec(
        project.info, deploy.lambda_, package, stack_location(location), name, upload=upload_rights(project)
    )


def foundation(
    project: Project, spec: FunctionSpec, stack: str, more: Mapping[str, PolicyDocument] = _NONE
) -> tuple[CloudFormationResource, ...]:
    """The repository, the bucket, the budget, and with `ci` GitHub's OIDC provider and the roles of its workflows.

    One of them releases the stack of that name; `more` are further policies of it.
    """
    ci, registry = project.get(Ci), project.get(Registry)
    resources: list[CloudFormationResource] = []
    if registry is not None:
        location = stack_location(ecr_location(registry.ecr))
        desired = repository(registry.ecr, location, spec.info.name, on_lambda=True)
        resources.append(foundation_resources.repository(desired))
    if ci is not None:
        rollout = project.need(Deploy).rollout
        session = max(_SESSION, min(ship_minutes(rollout) * 60, LONGEST_SESSION))
        policies = {**release_policies(spec, registry, stack, rollout), **more}
        resources.append(foundation_resources.oidc_provider(spec.info.name))
        resources.append(foundation_resources.release_role(spec, ci.github, session, policies))
        roles = data_roles(project, spec.location, f"${{{GITHUB_REPOSITORY}}}")
        resources += [foundation_resources.data_role(spec, role) for role in roles]
    if (bucket := owned_bucket(project)) is not None:
        resources += foundation_resources.bucket(bucket)
    alarm = cost_alarm(project.get(CostBudget), spec.name, spec.info.name)
    return (*resources, *([foundation_resources.budget(alarm)] if alarm else []))


def release_policies(
    spec: FunctionSpec, registry: Registry | None, stack: str, rollout: Rollout | None
) -> dict[str, PolicyDocument]:
    """What the releasing role may do, by the name of the policy: push, and deploy the stack."""
    role = codedeploy_resources.codedeploy_role_name(spec) if shifts(rollout) else ""
    documents = {"release": stack_policy.release(spec, stack, role)}
    if registry is not None and spec.package.zip is None:
        documents = {"push": push_policy(registry.ecr, spec.location, settle=False), **documents}
    return documents


def shifts(rollout: Rollout | None) -> bool:
    """Whether CodeDeploy moves the alias: without steps CloudFormation does."""
    return rollout is not None and rollout.strategy in ("canary", "linear")


def service(
    spec: FunctionSpec, rollout: Rollout | None, code: JsonValue, variables: Mapping[str, JsonValue]
) -> tuple[CloudFormationResource, ...]:
    """Everything that runs the function with that code, version and alias included."""
    resources, role = service_resources, service_resources.role(spec)
    function = resources.function(spec, code, variables)
    version = resources.version(function)
    names = references(version.id)
    shift = rollout_resources(spec, rollout, names)
    policy = codedeploy_resources.update_policy() if shift else {}
    return (
        *((role,) if role else ()),
        *resources.log_groups(spec),
        function,
        version,
        *shift,
        resources.alias(spec, version, policy),
        *resources.url(spec),
        *resources.http_api(spec, names),
        *resources.service_alarms(spec),
    )


def rollout_resources(
    spec: FunctionSpec, rollout: Rollout | None, names: service_resources.References
) -> tuple[CloudFormationResource, ...]:
    """The alarms and what CodeDeploy needs; nothing where CloudFormation moves the alias."""
    if not shifts(rollout) or rollout is None:
        return ()
    alarms = codedeploy_resources.alarms(spec, rollout.abort_if, names)
    deployment = codedeploy_resources.deployment(spec, traffic_shift(rollout), alarms)
    return (*alarms, codedeploy_resources.codedeploy_role(spec), *deployment)
