"""A resource of a CloudFormation template as a value, and references from one to another. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from mlspec.aws.aws_location import AwsLocation
from mlspec.aws.resource_tags import to_pairs

ACCOUNT: Final = "${AWS::AccountId}"
"""Stands in a document for the account that the stack lies in."""
GITHUB_REPOSITORY: Final = "GithubRepository"
"""Parameter with OWNER/NAME of the repository that may release."""
_REFERENCE: Final = re.compile(r"\$\{(?:AWS::AccountId|GithubRepository|[A-Z][A-Za-z]+(?:\.[A-Za-z]+)?)\}")
KEPT: Final[Mapping[str, JsonValue]] = {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}
"""Attributes of a resource that stays in the account when it leaves the template. A creation that is rolled back
removes it all the same: the next one would find its name taken."""


@dataclass(frozen=True, slots=True)
class CloudFormationResource:
    """One resource. `id` is its logical id.

    With `keep` it stays in the account when it leaves the template: without it data would be lost.
    """

    id: str
    type: str
    properties: Mapping[str, JsonValue] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    keep: bool = False
    condition: str = ""
    update_policy: Mapping[str, JsonValue] = field(default_factory=dict)

    def to_json(self) -> dict[str, JsonValue]:
        """The resource in CloudFormation's form."""
        policies = KEPT if self.keep else {}
        attributes: dict[str, JsonValue] = {
            "Type": self.type,
            "Condition": self.condition,
            "DependsOn": list(self.depends_on),
            **policies,
            "UpdatePolicy": dict(self.update_policy),
            "Properties": dict(self.properties),
        }
        return {name: value for name, value in attributes.items() if value}


def ref(id: str) -> JsonValue:
    """The reference to a resource or a parameter."""
    return {"Ref": id}


def get_att(id: str, attribute: str) -> JsonValue:
    """An attribute of a resource."""
    return {"Fn::GetAtt": [id, attribute]}


def sub(text: str) -> JsonValue:
    """`text` with the values of its references."""
    return {"Fn::Sub": text}


def substituted(value: JsonValue) -> JsonValue:
    """A document, such as a policy, in whose texts `${AWS::AccountId}` and `${LogicalId}` are references.

    No free text of a user belongs in one.
    """
    if isinstance(value, str):
        return sub(value) if _REFERENCE.search(value) else value
    if isinstance(value, dict):
        return {key: substituted(inner) for key, inner in value.items()}
    return [substituted(inner) for inner in value] if isinstance(value, list) else value


def tag_list(tags: Mapping[str, str]) -> JsonValue:
    """Tags in the form of most resources."""
    return [dict(pair) for pair in to_pairs(tags)]


def without_empty(properties: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The properties that have a value."""
    return {name: value for name, value in properties.items() if value not in (None, "", [], {})}


def stack_location(location: AwsLocation) -> AwsLocation:
    """The same place, with CloudFormation's reference for an account that the spec does not name."""
    return AwsLocation(location.region, ACCOUNT) if "$" in location.account else location
