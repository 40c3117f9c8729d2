"""Where to ship: an AWS account, or this machine's rehearsal of one, with one client for each service.

The control plane of either speaks AWS's own API; only the address, the credentials and the image registry differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

from mlspec.aws.resource_owner import ResourceOwner
from mlspec.sections.delivery_tool import DIRECT, DeliveryTool, SectionSource, delivery_tool
from mlspec.target_facts import TARGETS, TargetFacts, TargetName

if TYPE_CHECKING:
    import boto3


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client waits: attempts in all, and seconds to connect and to read."""

    tries: int
    connect: int
    read: int
    mode: Literal["standard", "adaptive"]


PATIENT: Final = Patience(8, 10, 60, "adaptive")
"""For changes."""
IMPATIENT: Final = Patience(2, 2, 4, "standard")
"""For a plan, which shows without an account what it can."""


@dataclass(frozen=True)
class AwsTarget:
    """A control plane and an image registry.

    `endpoint` is None for AWS itself. `registry` is the host that images are pushed to (`HOST[:PORT]`), "" for that of
    Amazon ECR.
    """

    kind: TargetName
    region: str
    endpoint: str | None = None
    registry: str = ""
    credentials: tuple[str, str] | None = field(default=None, repr=False)
    owner: ResourceOwner = field(default_factory=ResourceOwner)
    """The project that changes it."""
    patience: Patience = PATIENT
    """How long its clients wait."""

    @property
    def facts(self) -> TargetFacts:
        """What distinguishes it from other targets."""
        return TARGETS[self.kind]

    def tool(self, spec: SectionSource) -> DeliveryTool:
        """What creates the resources of the spec there."""
        return delivery_tool(spec) if self.facts.delivery_tools else DIRECT

    @property
    def environ(self) -> dict[str, str]:
        """The address and the credentials of an emulated account, for a program that calls it; empty for AWS."""
        if self.endpoint is None:
            return {}
        key, secret = self.credentials or ("", "")
        return {"AWS_ENDPOINT_URL": self.endpoint, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}

    @cached_property
    def _session(self) -> boto3.Session:
        import boto3

        key, secret = self.credentials or (None, None)
        return boto3.Session(aws_access_key_id=key, aws_secret_access_key=secret, region_name=self.region)

    @cached_property
    def _clients(self) -> dict[str, object]:
        return {}

    def client(self, service: str) -> Any:
        """The boto3 client of a service. Throttled and dropped requests are retried with growing pauses."""
        from botocore.config import Config

        if service not in self._clients:
            wait = self.patience
            retries = {"total_max_attempts": wait.tries, "mode": wait.mode}
            config = Config(
                retries=retries, connect_timeout=wait.connect, read_timeout=wait.read, user_agent_extra="mlspec"
            )
            self._clients[service] = self._session.client(service, endpoint_url=self.endpoint, config=config)
        return self._clients[service]
