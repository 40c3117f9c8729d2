"""The alias that callers use, read and written as one value. A write that somebody else has overtaken is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.error_messages import code_of
from mlspec.errors import StageError


@dataclass(frozen=True)
class Alias:
    """Where a function's callers are sent: to `version`, and a share `weight` (0 to 1) of them to `other`.

    `revision` is the state that it was read in; a write with it fails if the alias has been written since. "" writes in
    any case.
    """

    name: str
    version: str
    other: str | None = None
    weight: float = 0.0
    description: str = ""
    revision: str = ""


def read(target: AwsTarget, function: str, name: str) -> Alias | None:
    """The alias as it stands; None where there is none, or no function."""
    from botocore.exceptions import ClientError

    try:
        found = target.client("lambda").get_alias(FunctionName=function, Name=name)
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return None
        raise
    return _alias(found)


def write(target: AwsTarget, function: str, alias: Alias) -> Alias:
    """Make or move the alias; gives it as it stands then. Raises StageError where another has written it meanwhile."""
    from botocore.exceptions import ClientError

    client = target.client("lambda")
    weights = {alias.other: alias.weight} if alias.other else {}
    settings = {"FunctionName": function, "Name": alias.name, "FunctionVersion": alias.version,
                "Description": alias.description, "RoutingConfig": {"AdditionalVersionWeights": weights}}  # fmt: skip
    try:
        if alias.revision:
            return _alias(client.update_alias(**settings, RevisionId=alias.revision))
        if read(target, function, alias.name) is None:
            return _alias(client.create_alias(**settings))
        return _alias(client.update_alias(**settings))
    except ClientError as error:
        if code_of(error) in ("PreconditionFailedException", "ResourceConflictException"):
            message = f"somebody else has moved the alias {alias.name} of {function} meanwhile"
            raise StageError(message, help="wait until the other apply has ended, then: mlspec apply") from None
        raise


def _alias(found: dict[str, Any]) -> Alias:
    weights = found.get("RoutingConfig", {}).get("AdditionalVersionWeights") or {}
    other, weight = next(iter(weights.items()), (None, 0.0))
    return Alias(
        found["Name"],
        found["FunctionVersion"],
        other,
        weight,
        found.get("Description", ""),
        found.get("RevisionId", ""),
    )
