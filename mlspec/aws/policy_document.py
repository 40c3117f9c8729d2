"""IAM policy documents as values: written by mlspec, or read from an account. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from pydantic import JsonValue

Names = str | tuple[str, ...]
_WRITTEN = ("Sid", "Effect", "Principal", "Action", "Resource", "Condition")
"""The keys of a statement, in the order in which they are written."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. A text and a list with one text differ, as they do in AWS's answers."""

    action: Names = ()
    resource: Names = ()
    sid: str = ""
    principal: Mapping[str, Names] | str = field(default_factory=dict)
    condition: Mapping[str, Mapping[str, JsonValue]] = field(default_factory=dict)
    effect: str = "Allow"
    other: str = ""
    """Keys that mlspec never writes, as JSON text: `NotAction` for example."""

    def to_json(self) -> dict[str, JsonValue]:
        """The statement in AWS's form; what is empty is left out."""
        values = (self.sid, self.effect, self.principal, self.action, self.resource, self.condition)
        known = {key: _to_json(value) for key, value in zip(_WRITTEN, values, strict=True) if value}
        return known | (json.loads(self.other) if self.other else {})

    @classmethod
    def from_json(cls, answer: Mapping[str, JsonValue]) -> Statement:
        """The statement in one of AWS's answers."""
        principal, condition = _from_json(answer.get("Principal")), answer.get("Condition")
        other = {key: value for key, value in answer.items() if key not in _WRITTEN}
        return cls(
            action=_names(answer.get("Action")),
            resource=_names(answer.get("Resource")),
            sid=str(answer.get("Sid", "")),
            principal=principal,
            condition=condition if isinstance(condition, dict) else {},  # type: ignore[arg-type]  # JSON of AWS's
            effect=str(answer.get("Effect", "")),
            other=json.dumps(other, sort_keys=True) if other else "",
        )

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions, however they are written."""
        return (self.action,) if isinstance(self.action, str) else self.action


@dataclass(frozen=True, slots=True)
class PolicyDocument:
    """The statements of a policy."""

    statements: tuple[Statement, ...]
    version: str = "2012-10-17"

    def to_json(self) -> dict[str, JsonValue]:
        """The document in AWS's form."""
        return {"Version": self.version, "Statement": [statement.to_json() for statement in self.statements]}

    def to_text(self) -> str:
        """The document as the calls take it."""
        return json.dumps(self.to_json())

    @classmethod
    def parse(cls, document: str | Mapping[str, JsonValue]) -> PolicyDocument:
        """The document in one of AWS's answers: JSON, decoded by botocore or as percent-encoded text."""
        answer = json.loads(unquote(document)) if isinstance(document, str) else document
        statements = answer.get("Statement", [])
        listed = statements if isinstance(statements, list) else [statements]
        objects = (statement for statement in listed if isinstance(statement, dict))
        return cls(tuple(Statement.from_json(statement) for statement in objects), str(answer.get("Version", "")))

    @property
    def actions(self) -> list[str]:
        """All actions of its statements, sorted."""
        return sorted({action for statement in self.statements for action in statement.actions})

    @property
    def principals(self) -> list[str]:
        """Who its statements are about, sorted."""
        return sorted({name for statement in self.statements for name in _principals(statement.principal)})

    @property
    def sids(self) -> str:
        """The ids of its statements, for a person."""
        return ", ".join(statement.sid or "unnamed" for statement in self.statements)


def _principals(principal: Mapping[str, Names] | str) -> list[str]:
    if isinstance(principal, str):
        return [principal]
    return [name for names in principal.values() for name in ((names,) if isinstance(names, str) else names)]


def _to_json(value: object) -> JsonValue:
    if isinstance(value, Mapping):
        return {str(key): _to_json(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_to_json(inner) for inner in value]
    return value if isinstance(value, str | int | float | bool) else None


def _from_json(value: JsonValue) -> str | dict[str, Names]:
    if isinstance(value, dict):
        return {key: _names(inner) for key, inner in value.items()}
    return str(value) if value is not None else {}


def _names(value: JsonValue) -> Names:
    if isinstance(value, list):
        return tuple(str(name) for name in value)
    return str(value) if value is not None else ()
