"""The policies of the two stacks, as the values that their templates are rendered from. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlspec.aws.ecr import ecr_location, github_trust, repository
from mlspec.aws.function_spec import FunctionSpec
from mlspec.aws.owned_bucket import owned_bucket
from mlspec.aws.policy_document import PolicyDocument
from mlspec.parts.ci.data_roles import data_roles
from mlspec.parts.cloudformation.cloudformation_resource import GITHUB_REPOSITORY, stack_location
from mlspec.parts.cloudformation.codedeploy_resources import codedeploy_trust
from mlspec.parts.cloudformation.stacks import release_policies, shifts
from mlspec.sections.ci import Ci
from mlspec.sections.deploy import Deploy
from mlspec.sections.registry import Registry
from mlspec.spec.project import Project


def foundation_policies(
    project: Project, spec: FunctionSpec, stack: str, more: Mapping[str, PolicyDocument]
) -> Iterator[tuple[str, PolicyDocument]]:
    """What the policy belongs to (`registry`, `github` or `bucket`), and the policy. `stack` and `more` as in
    `stacks.foundation`."""
    ci, registry = project.get(Ci), project.get(Registry)
    if registry is not None:
        location = stack_location(ecr_location(registry.ecr))
        images = repository(registry.ecr, location, spec.info.name, on_lambda=True).policy
        yield from [("registry", images)] if images else []
    if ci is not None:
        name = f"${{{GITHUB_REPOSITORY}}}"
        yield "github", github_trust(spec.location, name, ci.github.environment)
        documents = {**release_policies(spec, registry, stack, project.need(Deploy).rollout), **more}
        yield from (("github", document) for document in documents.values())
        for one in data_roles(project, spec.location, name):
            yield "github", one.trust
            yield from (("github", document) for document in one.policies.values())
    if (bucket := owned_bucket(project)) is not None and bucket.policy is not None:
        yield "bucket", bucket.policy


def service_policies(project: Project, spec: FunctionSpec) -> Iterator[tuple[str, PolicyDocument]]:
    """What the policy belongs to (`role` or `rollout`), and the policy: of the function's role and CodeDeploy's."""
    if (role := spec.role()) is not None:
        yield "role", role.trust
        yield from [("role", role.rights)] if role.rights is not None else []
    if shifts(project.need(Deploy).rollout):
        yield "rollout", codedeploy_trust()
