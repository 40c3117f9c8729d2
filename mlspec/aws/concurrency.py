"""How many instances of the function may run, and how many are kept initialised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from mlspec.aws.action import Action, FieldChange, put
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.error_messages import code_of
from mlspec.aws.function import read_function
from mlspec.aws.resources import ProvisionedConcurrency, ReservedConcurrency
from mlspec.aws.waiting import until
from mlspec.errors import StageError

_NONE: Final = ("ProvisionedConcurrencyConfigNotFoundException", "ResourceNotFoundException", "404")
"""The last is the answer of an emulated Lambda that does not know this call."""
_RESERVED: Final = "reserved concurrency"
_PROVISIONED: Final = "provisioned concurrency"


@dataclass(frozen=True)
class ReservedConcurrencyProvider:
    """Reads and changes a function's reserved concurrency."""

    target: AwsTarget

    def read(self, name: str) -> ReservedConcurrency | None:
        """The instances that are kept for the function; None where there are none, or no function."""
        function = read_function(self.target, name)
        number = function.reserved_concurrency if function else None
        return None if number is None else ReservedConcurrency(name, number)

    def diff(self, desired: ReservedConcurrency | None, current: ReservedConcurrency | None) -> list[Action]:
        """What reserves the desired number."""
        if desired == current:
            return []
        if desired is None:
            assert current is not None, "they differ"
            change = FieldChange("-", _RESERVED, current.number)
            return [Action("reserved-concurrency", current.function, "delete", (change,))]
        arguments: dict[str, JsonValue] = {
            "FunctionName": desired.function,
            "ReservedConcurrentExecutions": desired.number,
        }
        changes = put(_RESERVED, current.number if current else None, desired.number)
        return [Action("reserved-concurrency", desired.function, "set", changes, arguments)]

    def apply(self, action: Action) -> None:
        """Execute an action on the reserved concurrency."""
        client = self.target.client("lambda")
        if action.operation == "delete":
            client.delete_function_concurrency(FunctionName=action.name)
        else:
            client.put_function_concurrency(**action.arguments)


@dataclass(frozen=True)
class ProvisionedConcurrencyProvider:
    """Reads and changes the provisioned concurrency of a function's alias."""

    target: AwsTarget
    alias: str

    def read(self, name: str) -> ProvisionedConcurrency | None:
        """The requested number of instances; None where there is none."""
        from botocore.exceptions import ClientError

        client = self.target.client("lambda")
        try:
            answer = client.get_provisioned_concurrency_config(FunctionName=name, Qualifier=self.alias)
        except ClientError as error:
            if code_of(error) in _NONE:
                return None
            raise
        return ProvisionedConcurrency(name, self.alias, int(answer["RequestedProvisionedConcurrentExecutions"]))

    def diff(self, desired: ProvisionedConcurrency | None, current: ProvisionedConcurrency | None) -> list[Action]:
        """What requests the desired number."""
        if desired == current:
            return []
        if desired is None:
            assert current is not None, "they differ"
            change = FieldChange("-", _PROVISIONED, current.number)
            return [Action("provisioned-concurrency", self.alias, "delete", (change,), current.which)]
        arguments = {**desired.which, "ProvisionedConcurrentExecutions": desired.number}
        changes = put(_PROVISIONED, current.number if current else None, desired.number)
        return [Action("provisioned-concurrency", self.alias, "set", changes, arguments)]

    def apply(self, action: Action) -> None:
        """Execute an action on the provisioned concurrency, and wait until the instances are initialised."""
        client, given = self.target.client("lambda"), dict(action.arguments)
        if action.operation == "delete":
            client.delete_provisioned_concurrency_config(**given)
            return
        client.put_provisioned_concurrency_config(**given)
        number = given.pop("ProvisionedConcurrentExecutions")

        def poll() -> tuple[str, str] | None:
            answer = client.get_provisioned_concurrency_config(**given)
            return None if answer["Status"] == "IN_PROGRESS" else (answer["Status"], answer.get("StatusReason", ""))

        status, reason = until(poll, f"{number} instances to be initialised", seconds=600)
        if status == "FAILED":
            message = f"Lambda cannot keep {number} instances initialised: {reason}"
            raise StageError(message, help="lower deploy.lambda.concurrency.provisioned, or raise the account's quota")
