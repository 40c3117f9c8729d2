"""The policies of the two templates, as the values that the templates are rendered from. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from mlspec.parts.cloudformation.stack_policies import foundation_policies, service_policies
from mlspec.parts.cloudformation.stacks import FOUNDATION, SERVICE, stack_function
from mlspec.parts.sam.sam_templates import FOLDER, stack_name
from mlspec.parts.tool_policy import ToolPolicy
from mlspec.spec.project import Project


def tool_policies(project: Project) -> Iterator[ToolPolicy]:
    """Trust and rights of each role, and the policies of the repository and the bucket."""
    spec = stack_function(project)
    if spec is None:
        return
    for _, document in foundation_policies(project, spec, stack_name(spec, SERVICE), {}):
        yield ToolPolicy(f"{FOLDER}/{FOUNDATION}.yaml", document)
    for _, document in service_policies(project, spec):
        yield ToolPolicy(f"{FOLDER}/{SERVICE}.yaml", document)
