"""The alias that clients use, read and written as one value. A write fails where another process was faster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.error_messages import code_of
from mlspec.errors import StageError


@dataclass(frozen=True)
class Alias:
    """Where a function's traffic goes: to `version`, and a share `weight` (0 to 1) of it to `other`.

    `revision` is the state that it was read in; a write with it fails if the alias has been written since. "" writes in
    any case.
    """

    name: str
    version: str
    other: str | None = None
    weight: float = 0.0
    description: str = ""
    revision: str = ""

    def to_request(self, function: str) -> dict[str, JsonValue]:
        """Input of CreateAlias, and with a revision of UpdateAlias."""
        weights: dict[str, JsonValue] = {self.other: self.weight} if self.other else {}
        return {
            "FunctionName": function,
            "Name": self.name,
            "FunctionVersion": self.version,
            "Description": self.description,
            "RoutingConfig": {"AdditionalVersionWeights": weights},
        }

    @classmethod
    def from_response(cls, answer: Mapping[str, JsonValue]) -> Alias:
        """The alias in one of Lambda's answers."""
        routing = answer.get("RoutingConfig")
        weights = routing.get("AdditionalVersionWeights") if isinstance(routing, dict) else None
        other, weight = next(iter(weights.items()), (None, 0.0)) if isinstance(weights, dict) else (None, 0.0)
        name, version, description, revision = (
            str(answer.get(key, "")) for key in ("Name", "FunctionVersion", "Description", "RevisionId")
        )
        return cls(name, version, other, float(str(weight)), description, revision)


def read(target: AwsTarget, function: str, name: str) -> Alias | None:
    """The alias; None where it or the function does not exist."""
    from botocore.exceptions import ClientError

    try:
        return Alias.from_response(target.client("lambda").get_alias(FunctionName=function, Name=name))
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return None
        raise


def write(target: AwsTarget, function: str, alias: Alias) -> Alias:
    """Create or move the alias; returns it as it is then. Raises StageError where another has written it since."""
    from botocore.exceptions import ClientError

    client, settings = target.client("lambda"), alias.to_request(function)
    try:
        if alias.revision:
            return Alias.from_response(client.update_alias(**settings, RevisionId=alias.revision))
        if read(target, function, alias.name) is None:
            return Alias.from_response(client.create_alias(**settings))
        return Alias.from_response(client.update_alias(**settings))
    except ClientError as error:
        if code_of(error) in ("PreconditionFailedException", "ResourceConflictException"):
            message = f"the alias {alias.name} of {function} was changed by another process in the meantime"
            raise StageError(message, help="wait until the other apply has finished, then: mlspec apply") from None
        raise
