"""The role that the function runs as: who may assume it and its rights, against `lambda/role-*.json`.

Other policies that are attached to it are left as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from mlspec.aws.action import Action, FieldChange, create, differences, put, unexpected
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.error_messages import code_of, is_denied, message_of
from mlspec.aws.ownership import check_ownership
from mlspec.aws.policy_document import PolicyDocument
from mlspec.aws.resource_tags import PROJECT, SOURCE, to_pairs
from mlspec.aws.resources import ROLE_POLICY, Role
from mlspec.errors import StageError

_ADMINISTRATOR: Final = (
    "run `mlspec apply` once with an administrator's credentials: lambda/deploy-policy.json and "
    "lambda/role-admin-policy.json together have the rights; or set deploy.lambda.role to an existing role, or "
    "deploy.lambda.permissions_boundary to a policy that limits the role"
)
_DENIED: Final = {
    "create": "the role {} does not exist, and these credentials may not create it",
    "set-rights": "the policy of the role {} differs, and these credentials may not change it",
    "set-trust": "the trust policy of the role {} differs, and these credentials may not change it",
    "tag": "the tags of the role {} differ, and these credentials may not change them",
    "set-boundary": "the role {} has another permissions boundary, and these credentials may not change it",
}


@dataclass(frozen=True)
class RoleProvider:
    """Reads and changes the role of a function.

    Without `parts` its inline policy is not read: `mlspec destroy` has no rights on it.
    """

    target: AwsTarget
    parts: bool = True

    def read(self, name: str) -> Role | None:
        """The role with its inline policy; None where it does not exist."""
        from botocore.exceptions import ClientError

        try:
            answer = self.target.client("iam").get_role(RoleName=name)["Role"]
        except ClientError as error:
            if code_of(error) == "NoSuchEntity":
                return None
            raise
        return Role.from_response(answer, self._rights(name) if self.parts else None)

    def _rights(self, name: str) -> PolicyDocument | None:
        from botocore.exceptions import ClientError

        try:
            answer = self.target.client("iam").get_role_policy(RoleName=name, PolicyName=ROLE_POLICY)
        except ClientError as error:
            if code_of(error) == "NoSuchEntity":
                return None
            raise
        return PolicyDocument.parse(answer["PolicyDocument"])

    def diff(self, desired: Role | None, current: Role | None) -> list[Action]:
        """What gives the role its trust policy, rights, boundary and tags. Where the spec names no
        boundary, an existing one stays."""
        if desired is None or desired.rights is None:
            return []
        rights = {"RoleName": desired.name, "PolicyName": ROLE_POLICY, "PolicyDocument": desired.rights.to_text()}
        if current is None:
            return [create("role", desired.name, list(desired.rights.actions), {**desired.to_request(), **rights})]
        self._check_owner(desired, current)
        return [
            *_boundary(desired, current),
            *_tags(desired, current),
            *_trust(desired, current),
            *_inline(desired, current, rights),
        ]

    def _check_owner(self, desired: Role, current: Role) -> None:
        command = f"aws iam tag-role --role-name {desired.name} --tags Key={{}},Value={{}}"
        check_ownership(f"iam role {desired.name}", current.tags, desired.tags[PROJECT], command, self.target.owner)

    def apply(self, action: Action) -> None:
        """Execute an action on a role. Raises StageError where the credentials may not."""
        with _left_to_an_administrator(action):
            self._apply(action)

    def _apply(self, action: Action) -> None:
        client, given = self.target.client("iam"), dict(action.arguments)
        match action.operation:
            case "create":
                policy = {name: given.pop(name) for name in ("PolicyName", "PolicyDocument")}
                client.create_role(**given)
                with _left_to_an_administrator(action, "set-rights"):
                    client.put_role_policy(RoleName=action.name, **policy)
            case "set-rights":
                client.put_role_policy(**given)
            case "set-trust":
                client.update_assume_role_policy(**given)
            case "tag":
                client.tag_role(**given)
            case "set-boundary":
                client.put_role_permissions_boundary(**given)
            case "delete":
                self._delete(action.name)
            case _:
                raise unexpected(action)

    def _delete(self, name: str) -> None:
        """AWS deletes only a role that nothing is attached to."""
        client = self.target.client("iam")
        for policy in client.list_role_policies(RoleName=name)["PolicyNames"]:
            client.delete_role_policy(RoleName=name, PolicyName=policy)
        for policy in client.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            client.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
        client.delete_role(RoleName=name)


def _boundary(desired: Role, current: Role) -> list[Action]:
    if desired.boundary in (None, current.boundary):
        return []
    changes = put("permissions boundary", current.boundary, desired.boundary)
    arguments = {"RoleName": desired.name, "PermissionsBoundary": desired.boundary}
    return [Action("role", desired.name, "set-boundary", changes, arguments)]


def _tags(desired: Role, current: Role) -> list[Action]:
    tags = {key: value for key, value in desired.tags.items() if key != SOURCE}
    changes = differences(dict(tags), dict(current.tags))
    arguments: dict[str, JsonValue] = {"RoleName": desired.name, "Tags": [dict(pair) for pair in to_pairs(tags)]}
    return [Action("role", desired.name, "tag", changes, arguments)] if changes else []


def _trust(desired: Role, current: Role) -> list[Action]:
    if desired.trust == current.trust:
        return []
    change = FieldChange("~", "trust", list(current.trust.principals), list(desired.trust.principals))
    arguments = {"RoleName": desired.name, "PolicyDocument": desired.trust.to_text()}
    return [Action("role", desired.name, "set-trust", (change,), arguments)]


def _inline(desired: Role, current: Role, arguments: dict[str, str]) -> list[Action]:
    if desired.rights is None or desired.rights == current.rights:
        return []
    old: JsonValue = list(current.rights.actions) if current.rights else None
    return [Action("role", desired.name, "set-rights", put("rights", old, list(desired.rights.actions)), arguments)]


@contextmanager
def _left_to_an_administrator(action: Action, operation: str = "") -> Iterator[None]:
    """Credentials with `lambda/deploy-policy.json` alone may not write a role: the error names the ways out."""
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        message = _DENIED.get(operation or action.operation)
        if message is None or not is_denied(error):
            raise
        raise StageError(f"{message.format(action.name)} ({message_of(error)})", help=_ADMINISTRATOR) from None
