"""The resource policy of the function's alias: who may invoke it besides the account's own users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from mlspec.aws.action import Action, FieldChange
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.error_messages import code_of
from mlspec.aws.policy_document import PolicyDocument, Statement
from mlspec.aws.resources import AliasPermissions

_PUBLIC: Final[dict[str, dict[str, JsonValue]]] = {
    "mlspec-url": {"Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"},
    "mlspec-url-invoke": {"Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True},
}
"""The two statements that a public address needs since October 2025
(https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html)."""


def public(function: str, alias: str) -> AliasPermissions:
    """The permissions of an alias with an address for anyone."""
    actions = {sid: str(arguments["Action"]) for sid, arguments in _PUBLIC.items()}
    return AliasPermissions(function, alias, {sid: Statement(action, sid=sid) for sid, action in actions.items()})


@dataclass(frozen=True)
class AliasPermissionProvider:
    """Reads an alias's policy, and changes the two statements of a public address."""

    target: AwsTarget
    alias: str

    def read(self, name: str) -> AliasPermissions | None:
        """The alias's statements; None where it has no policy."""
        from botocore.exceptions import ClientError

        try:
            text = self.target.client("lambda").get_policy(FunctionName=name, Qualifier=self.alias)["Policy"]
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException":
                return None
            raise
        return AliasPermissions(name, self.alias, {s.sid: s for s in PolicyDocument.parse(text).statements})

    def diff(self, desired: AliasPermissions | None, current: AliasPermissions | None) -> list[Action]:
        """What adds or removes the statements of a public address; other statements stay."""
        statements, existing = desired.statements if desired else {}, current.statements if current else {}
        either = desired or current
        if either is None:
            return []
        actions: list[Action] = []
        for sid, more in _PUBLIC.items():
            which, shown = {**either.which, "StatementId": sid}, f"anyone, {more['Action']}"
            if sid in statements and sid not in existing:
                change = FieldChange("+", sid, new=shown)
                arguments = {**which, "Principal": "*", **more}
                actions.append(Action("permission", either.function, "create", (change,), arguments))
            elif sid in existing and sid not in statements:
                change = FieldChange("-", sid, old=shown)
                actions.append(Action("permission", either.function, "delete", (change,), which))
        return actions

    def apply(self, action: Action) -> None:
        """Execute an action on a statement."""
        client = self.target.client("lambda")
        if action.operation == "delete":
            client.remove_permission(**action.arguments)
        else:
            client.add_permission(**action.arguments)
