"""Which tool creates a deployment in the account and releases its versions. Pure.

Every difference between the tools that is a plain fact is here, in one value for each; nothing else compares
`deploy.iac`. What a tool renders, checks, observes and removes is the part of its name (`parts/NAME/part.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from pydantic import BaseModel

from mlspec.sections.deploy import Deploy

S = TypeVar("S", bound=BaseModel)


class SectionSource(Protocol):
    """Where sections come from: a stage's Job, or the Project of a plan."""

    def get(self, section: type[S]) -> S | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryTool:
    """One tool. `name` is its value of `deploy.iac` and the name of its part.

    mlspec itself has no stages for the infrastructure: its stage `deploy` creates everything.
    """

    name: str
    foundation: str = ""
    """The stage that creates what must exist before an image can be pushed."""
    service: str = ""
    """The stage that creates the function."""
    described: str = ""
    """What these stages do, as the beginning of their descriptions."""
    releases: bool = False
    """Whether the tool also releases: it publishes the version and moves the alias, and `deploy` only records that."""
    reads_secrets: bool = False
    """Whether secrets are read in AWS Secrets Manager, so that they need no value where the tool runs."""
    role_file: str = ""
    """The generated file with the role for releases and its rights; "" where an administrator creates the role."""
    npm_package: str = ""
    """What a workflow installs beside mlspec to run the tool."""
    ignored: Mapping[str, str] | None = None
    """Patterns of files that it leaves in the project and that are not committed, each with the reason."""

    @property
    def creates(self) -> bool:
        """Whether the tool creates the resources, so that `mlspec apply` changes none of its own."""
        return self.service != ""


DIRECT: Final = DeliveryTool(name="none")
"""mlspec itself."""

TERRAFORM: Final = DeliveryTool(
    name="terraform",
    foundation="foundation",
    service="service",
    described="Apply the Terraform module",
    role_file="terraform/foundation/github.tf",
    ignored={
        "/terraform/*/.terraform/": "Terraform's providers",
        "/terraform/*/*.tfstate*": "A local state of Terraform: it may hold secrets",
    },
)

SAM: Final = DeliveryTool(
    name="sam",
    foundation="sam-foundation",
    service="sam-service",
    described="Deploy the stack",
    releases=True,
    role_file="sam/foundation.yaml",
)

SERVERLESS: Final = DeliveryTool(
    name="serverless",
    foundation="serverless-foundation",
    service="serverless-service",
    described="Deploy the stack",
    releases=True,
    reads_secrets=True,
    role_file="serverless/foundation/resources/github.yml",
    npm_package="osls@4.3.1",
    ignored={
        "/serverless/*/.serverless/": "Packages of the Serverless Framework",
        "/serverless/node_modules/": "The Serverless Framework itself, where npm has installed it",
    },
)

TOOLS: Final[Mapping[str, DeliveryTool]] = {tool.name: tool for tool in (DIRECT, TERRAFORM, SAM, SERVERLESS)}
"""Every tool by its value of `deploy.iac`."""


def delivery_tool(spec: SectionSource) -> DeliveryTool:
    """The tool of a spec; mlspec itself where the spec deploys nothing."""
    deploy = spec.get(Deploy)
    return TOOLS[deploy.iac] if deploy is not None else DIRECT
