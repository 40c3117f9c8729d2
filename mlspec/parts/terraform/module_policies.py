"""The policies of the two modules, as the values that the modules are rendered from. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from mlspec.aws.ecr import ecr_location, github_trust, repository
from mlspec.aws.owned_bucket import owned_bucket
from mlspec.parts.ci.data_roles import data_roles
from mlspec.parts.terraform.import_blocks import release_policies
from mlspec.parts.terraform.modules import FOLDER, FOUNDATION, GITHUB_REPOSITORY, SERVICE, deployed_function, here
from mlspec.parts.tool_policy import ToolPolicy
from mlspec.sections.ci import Ci
from mlspec.sections.registry import Registry
from mlspec.spec.project import Project


def tool_policies(project: Project) -> Iterator[ToolPolicy]:
    """Trust and rights of each role, and the policies of the repository and the bucket."""
    spec, ci, registry = deployed_function(project), project.get(Ci), project.get(Registry)
    if spec is None:
        return
    github, foundation = f"{FOLDER}/{FOUNDATION}/github.tf", f"{FOLDER}/{FOUNDATION}"
    if ci is not None:
        yield ToolPolicy(github, github_trust(spec.location, GITHUB_REPOSITORY, ci.github.environment))
        for document in release_policies(spec, registry).values():
            yield ToolPolicy(github, document)
        for one in data_roles(project, spec.location, GITHUB_REPOSITORY):
            yield ToolPolicy(github, one.trust)
            yield from (ToolPolicy(github, document) for document in one.policies.values())
    if registry is not None:
        images = repository(registry.ecr, here(ecr_location(registry.ecr)), spec.info.name, on_lambda=True).policy
        yield from [ToolPolicy(f"{foundation}/registry.tf", images)] if images else []
    if (bucket := owned_bucket(project)) is not None and bucket.policy is not None:
        yield ToolPolicy(f"{foundation}/bucket.tf", bucket.policy)
    if (role := spec.role()) is not None:
        rights = [role.rights] if role.rights is not None else []
        yield from (ToolPolicy(f"{FOLDER}/{SERVICE}/role.tf", document) for document in (role.trust, *rights))
