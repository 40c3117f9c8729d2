"""The function's HTTPS address: as there against `lambda/url.json`, with who may call it."""

from __future__ import annotations

import json
from functools import partial
from typing import Any, Final

from mlspec.aws import cli_input
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.change import RemoteChange
from mlspec.aws.converge import ConvergeStep, differences
from mlspec.aws.desired import DesiredFunction
from mlspec.aws.error_messages import code_of

Json = dict[str, Any]
_PUBLIC: Final[dict[str, Json]] = {
    "mlspec-url": {"Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"},
    "mlspec-url-invoke": {"Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True},
}
"""The two statements that a public address needs since October 2025
(https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html)."""


def read(target: AwsTarget, name: str, alias: str) -> Json | None:
    """`FunctionUrl`, `AuthType`, `Cors`; None where the alias has no address."""
    from botocore.exceptions import ClientError

    try:
        found: Json = target.client("lambda").get_function_url_config(FunctionName=name, Qualifier=alias)
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return None
        raise
    return found


def steps(wanted: DesiredFunction) -> list[ConvergeStep]:
    """What makes the address as wanted, and lets those call it who shall. The alias must be there when they act."""
    function, client = wanted.function, wanted.target.client("lambda")
    which = {"FunctionName": function.name, "Qualifier": function.options.alias}
    what = f"function url {function.name}:{function.options.alias}"
    found = read(wanted.target, function.name, function.options.alias)
    given = cli_input.create_url(function)
    public = given is not None and given["AuthType"] == "NONE"
    if given is None:
        gone = RemoteChange("-", what, old=found["FunctionUrl"] if found else None)
        made = [ConvergeStep((gone,), partial(client.delete_function_url_config, **which))] if found else []
    elif found is None:
        change = RemoteChange("+", what, new=given["AuthType"])
        made = [ConvergeStep((change,), partial(client.create_function_url_config, **given))]
    else:
        asked = {"AuthType": given["AuthType"], "Cors": given.get("Cors", {})}
        changes = differences(what, asked, found)
        made = [ConvergeStep(changes, partial(client.update_function_url_config, **which, **asked))] if changes else []
    return made + _permissions(wanted, which, public=public)


def _permissions(wanted: DesiredFunction, which: dict[str, str], *, public: bool) -> list[ConvergeStep]:
    client, what = wanted.target.client("lambda"), f"permission of {wanted.function.name}"
    there = {sid for sid in statements(wanted.target, which) if sid in _PUBLIC}
    made: list[ConvergeStep] = []
    for sid, statement in _PUBLIC.items():
        told, given = f"anybody, {statement['Action']}", {**which, "StatementId": sid}
        if public and sid not in there:
            act = partial(client.add_permission, **given, Principal="*", **statement)
            made.append(ConvergeStep((RemoteChange("+", what, sid, new=told),), act))
        elif not public and sid in there:
            made.append(
                ConvergeStep((RemoteChange("-", what, sid, old=told),), partial(client.remove_permission, **given))
            )
    return made


def statements(target: AwsTarget, which: dict[str, str]) -> dict[str, Json]:
    """The statements of an alias's policy by their ids; none where there is no policy."""
    from botocore.exceptions import ClientError

    try:
        policy = json.loads(target.client("lambda").get_policy(**which)["Policy"])
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return {}
        raise
    return {str(s.get("Sid")): s for s in policy.get("Statement", [])}
