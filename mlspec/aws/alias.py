"""The alias that clients use, read and moved as one value. A move fails where another process was faster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from mlspec.aws.action import Action, FieldChange, create, unexpected
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.error_messages import code_of
from mlspec.aws.known_after_apply import KnownAfterApply, Outputs
from mlspec.errors import StageError

_REVISION: Final = KnownAfterApply("{revision}")


@dataclass(frozen=True)
class Alias:
    """Where a function's traffic goes: to `version`, and a share `weight` (0 to 1) of it to `other`.

    `revision` is the state that it was read in: a move fails if the alias has been written since.
    """

    name: str
    version: str
    other: str | None = None
    weight: float = 0.0
    description: str = ""
    revision: str = ""

    @property
    def shares(self) -> JsonValue:
        """The version that receives all traffic, or while it is split each of the two with its share."""
        return {self.version: 1 - self.weight, self.other: self.weight} if self.other else self.version

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


@dataclass(frozen=True)
class AliasProvider:
    """Reads, creates and moves the aliases of one function."""

    target: AwsTarget
    function: str

    def read(self, name: str) -> Alias | None:
        """The alias; None where it or the function does not exist."""
        return read(self.target, self.function, name)

    def diff(self, desired: Alias | None, current: Alias | None) -> list[Action]:
        """What creates the alias, or moves its traffic from where it is by then."""
        if desired is None or (current is not None and current.shares == desired.shares):
            return []
        request = desired.to_request(self.function)
        if current is None:
            return [create("alias", desired.name, desired.shares, request)]
        change = FieldChange("~", "version", current.shares, desired.shares)
        return [Action("alias", desired.name, "move", (change,), {**request, "RevisionId": _REVISION})]

    def apply(self, action: Action) -> Outputs:
        """Create or move the alias; returns its revision. Raises StageError where another process was faster."""
        from botocore.exceptions import ClientError

        client = self.target.client("lambda")
        try:
            match action.operation:
                case "create":
                    answer = client.create_alias(**action.arguments)
                case "move":
                    answer = client.update_alias(**action.arguments)
                case _:
                    raise unexpected(action)
        except ClientError as error:
            if code_of(error) in ("PreconditionFailedException", "ResourceConflictException"):
                raise moved_meanwhile(action.name, self.function) from None
            raise
        return {"revision": str(answer.get("RevisionId", ""))}


def moved_meanwhile(alias: str, function: str) -> StageError:
    """The error where another process has written the alias since it was read."""
    message = f"the alias {alias} of {function} was changed by another process in the meantime"
    return StageError(message, help="wait until the other apply has finished, then: mlspec apply")
