"""The role that the function runs as: who may take it and what it may do, as there against `lambda/role-*.json`.

Rights that somebody else has attached to it are left as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final
from urllib.parse import unquote

from mlspec.aws import cli_input
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.change import RemoteChange
from mlspec.aws.converge import ConvergeStep, differences, ours, pairs, sourced, unpaired
from mlspec.aws.desired import DesiredFunction
from mlspec.aws.ecr import tags
from mlspec.aws.error_messages import code_of, denied, message_of
from mlspec.errors import StageError

Json = dict[str, Any]
POLICY = "mlspec"
"""Name of the inline policy."""
_ADMINISTRATOR: Final = (
    "run `mlspec apply` once with an administrator's credentials: lambda/deploy-policy.json and "
    "lambda/role-admin-policy.json together have the rights; or set deploy.lambda.role to a role that exists, or "
    "deploy.lambda.permissions_boundary to a policy that limits the role"
)


def resource(name: str) -> str:
    """What a person calls it."""
    return f"iam role {name}"


def read(target: AwsTarget, name: str) -> Json | None:
    """The role with its `AssumeRolePolicyDocument` and `Tags`; None where there is none."""
    from botocore.exceptions import ClientError

    try:
        found: Json = target.client("iam").get_role(RoleName=name)["Role"]
    except ClientError as error:
        if code_of(error) == "NoSuchEntity":
            return None
        raise
    return found


def steps(wanted: DesiredFunction) -> list[ConvergeStep]:
    """What makes the role as wanted; nothing where the spec names one that exists."""
    if wanted.function.options.role is not None:
        return []
    client, name = wanted.target.client("iam"), wanted.function.name
    trust, rights = cli_input.role_trust(), cli_input.role_policy(wanted.function)
    found = read(wanted.target, name)
    if found is None:
        made = RemoteChange("+", resource(name), new=_brief(rights))
        return [ConvergeStep((made,), partial(_create, client, wanted, trust, rights))]
    given = unpaired(found.get("Tags", []))
    command = f"aws iam tag-role --role-name {name} --tags Key={{}},Value={{}}"
    ours(resource(name), given, wanted.project, command, wanted.target)
    steps: list[ConvergeStep] = [*_boundary(client, wanted, found)]
    if changes := differences(resource(name), tags(wanted.project), given):
        steps.append(ConvergeStep(changes, partial(_tag, client, name, tags(wanted.project))))
    if (there := _document(found["AssumeRolePolicyDocument"])) != trust:
        change = RemoteChange("~", resource(name), "trust", _principals(there), _principals(trust))
        steps.append(ConvergeStep((change,), partial(_trust, client, name, trust)))
    if (granted := _rights(client, name)) != rights:
        change = RemoteChange("~" if granted else "+", resource(name), "rights", _brief(granted), _brief(rights))
        steps.append(ConvergeStep((change,), partial(_grant, client, name, rights)))
    return steps


def _create(client: Any, wanted: DesiredFunction, trust: Json, rights: Json) -> None:
    name = wanted.function.name
    boundary = wanted.function.options.permissions_boundary
    with _left_to_an_administrator(f"the role {name} does not exist, and these credentials may not create it"):
        client.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=json.dumps(trust),
            Description=f"Runs the Lambda function {name}",
            Tags=pairs(sourced(tags(wanted.project), wanted.target.source)),
            **({"PermissionsBoundary": boundary} if boundary else {}),
        )
    _grant(client, name, rights)


def _grant(client: Any, name: str, rights: Json) -> None:
    with _left_to_an_administrator(f"the policy of the role {name} differs, and these credentials may not change it"):
        client.put_role_policy(RoleName=name, PolicyName=POLICY, PolicyDocument=json.dumps(rights))


def _trust(client: Any, name: str, trust: Json) -> None:
    with _left_to_an_administrator(f"the trust of the role {name} differs, and these credentials may not change it"):
        client.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))


def _tag(client: Any, name: str, given: Mapping[str, str]) -> None:
    with _left_to_an_administrator(f"the tags of the role {name} differ, and these credentials may not change them"):
        client.tag_role(RoleName=name, Tags=pairs(given))


def _bound(client: Any, name: str, boundary: str) -> None:
    with _left_to_an_administrator(f"the role {name} has another boundary, and these credentials may not change it"):
        client.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=boundary)


def _boundary(client: Any, wanted: DesiredFunction, found: Json) -> list[ConvergeStep]:
    """A boundary that the spec names is set; one that somebody else has set is left as it is."""
    boundary = wanted.function.options.permissions_boundary
    there = found.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    if boundary in (None, there):
        return []
    name = wanted.function.name
    change = RemoteChange("~" if there else "+", resource(name), "permissions boundary", there, boundary)
    return [ConvergeStep((change,), partial(_bound, client, name, boundary))]


@contextmanager
def _left_to_an_administrator(what: str) -> Iterator[None]:
    """Credentials with `lambda/deploy-policy.json` alone may not write a role: that is said with the way on."""
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        if not denied(error):
            raise
        raise StageError(f"{what} ({message_of(error)})", help=_ADMINISTRATOR) from None


def _rights(client: Any, name: str) -> Json | None:
    from botocore.exceptions import ClientError

    try:
        return _document(client.get_role_policy(RoleName=name, PolicyName=POLICY)["PolicyDocument"])
    except ClientError as error:
        if code_of(error) == "NoSuchEntity":
            return None
        raise


def _document(found: Json | str) -> Json:
    """botocore decodes a policy's document; what other tools have written may be percent-encoded text."""
    document: Json = json.loads(unquote(found)) if isinstance(found, str) else found
    return document


def _brief(policy: Mapping[str, Any] | None) -> list[str] | None:
    if policy is None:
        return None
    actions = [s["Action"] if isinstance(s["Action"], list) else [s["Action"]] for s in _statements(policy)]
    return sorted({action for found in actions for action in found})


def _principals(policy: Mapping[str, Any]) -> list[str]:
    return sorted(str(s.get("Principal")) for s in _statements(policy))


def _statements(policy: Mapping[str, Any]) -> list[Json]:
    found = policy.get("Statement", [])
    return found if isinstance(found, list) else [found]
