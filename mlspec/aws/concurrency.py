"""How many copies of the function may run, and how many are always warm: as there against the spec."""

from __future__ import annotations

from functools import partial
from typing import Any

from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.change import RemoteChange
from mlspec.aws.converge import ConvergeStep
from mlspec.aws.desired import DesiredFunction
from mlspec.aws.error_messages import code_of
from mlspec.aws.function import resource
from mlspec.aws.waiting import until
from mlspec.errors import StageError

_NONE = ("ProvisionedConcurrencyConfigNotFoundException", "ResourceNotFoundException", "404")
"""The last is the answer of an emulated Lambda that does not know this call."""


def reserved(wanted: DesiredFunction, found: dict[str, Any] | None) -> list[ConvergeStep]:
    """What reserves as many as wanted, given the function as it was read."""
    options, name = wanted.function.options.concurrency, wanted.function.name
    want = options.reserved if options else None
    there = ((found or {}).get("Concurrency") or {}).get("ReservedConcurrentExecutions")
    client, what = wanted.target.client("lambda"), resource(name)
    if want == there:
        return []
    if want is None:
        act = partial(client.delete_function_concurrency, FunctionName=name)
        return [ConvergeStep((RemoteChange("-", what, "reserved concurrency", old=there),), act)]
    act = partial(client.put_function_concurrency, FunctionName=name, ReservedConcurrentExecutions=want)
    return [
        ConvergeStep((RemoteChange("~" if there is not None else "+", what, "reserved concurrency", there, want),), act)
    ]


def provisioned(wanted: DesiredFunction) -> list[ConvergeStep]:
    """What keeps as many warm as wanted, behind the alias."""
    options, name = wanted.function.options, wanted.function.name
    want = options.concurrency.provisioned if options.concurrency else None
    which = {"FunctionName": name, "Qualifier": options.alias}
    there = (read(wanted.target, which) or {}).get("RequestedProvisionedConcurrentExecutions")
    what = f"lambda alias {options.alias}"
    if want == there:
        return []
    if want is None:
        act = partial(wanted.target.client("lambda").delete_provisioned_concurrency_config, **which)
        return [ConvergeStep((RemoteChange("-", what, "provisioned concurrency", old=there),), act)]
    change = RemoteChange("~" if there is not None else "+", what, "provisioned concurrency", there, want)
    return [ConvergeStep((change,), partial(_provide, wanted.target, which, want))]


def read(target: AwsTarget, which: dict[str, str]) -> dict[str, Any] | None:
    """`Status` and the number asked for; None where none are kept warm."""
    from botocore.exceptions import ClientError

    try:
        found: dict[str, Any] = target.client("lambda").get_provisioned_concurrency_config(**which)
    except ClientError as error:
        if code_of(error) in _NONE:
            return None
        raise
    return found


def _provide(target: AwsTarget, which: dict[str, str], number: int) -> None:
    client = target.client("lambda")
    client.put_provisioned_concurrency_config(**which, ProvisionedConcurrentExecutions=number)

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = client.get_provisioned_concurrency_config(**which)
        return None if found["Status"] == "IN_PROGRESS" else found

    found = until(look, f"{number} warm copies", seconds=600)
    if found["Status"] == "FAILED":
        message = f"Lambda cannot keep {number} copies warm: {found.get('StatusReason', '')}"
        raise StageError(message, help="lower deploy.lambda.concurrency.provisioned, or raise the account's quota")
