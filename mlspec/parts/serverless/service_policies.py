"""The policies of the two services, as the values that the services are rendered from. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from mlspec.parts.cloudformation.stack_policies import foundation_policies, service_policies
from mlspec.parts.cloudformation.stacks import FOUNDATION, SERVICE, stack_function
from mlspec.parts.serverless.services import FOLDER, package_policies, service_name
from mlspec.parts.tool_policy import ToolPolicy
from mlspec.spec.project import Project


def tool_policies(project: Project) -> Iterator[ToolPolicy]:
    """Trust and rights of each role, and the policies of the repository and the bucket."""
    spec = stack_function(project)
    if spec is None:
        return
    for file, document in foundation_policies(project, spec, service_name(spec.name), package_policies(spec)):
        yield ToolPolicy(f"{FOLDER}/{FOUNDATION}/resources/{file}.yml", document)
    for file, document in service_policies(project, spec):
        yield ToolPolicy(f"{FOLDER}/{SERVICE}/resources/{file}.yml", document)
