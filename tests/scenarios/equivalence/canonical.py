"""The canonical form in which all sources are compared: a resource has a CloudFormation type, a name, and settings.

A setting has the name of CloudFormation's property; one inside of another has a path (`VpcConfig.SubnetIds`). Policies
are sets of (id of the statement, effect, principal, action, resource, condition), lists without an order are sorted, and
what is empty or AWS's own default is left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from pydantic import JsonValue

ACCOUNT: Final = "123456789012"
DIGEST: Final = "sha256:" + "1" * 64
VERSION: Final = "VERSION"
"""Stands for the number of the version, which is known only once it is published."""
API: Final = "API"
"""Stands for the id of the HTTP API."""
ARCHIVE: Final = b"PK\x05\x06" + bytes(18)
"""The zip with the code of the function: one without a file in it."""
ARCHIVE_FILE: Final = "artifacts/function.zip"
"""Where it lies in the project."""
SECRETS: Final[Mapping[str, str]] = {"SERVICE_TOKEN": "value of the secret"}
"""Values that a spec names alone, by the variable of the environment that they come from."""
_POLICIES: Final = ("AssumeRolePolicyDocument", "PolicyDocument", "RepositoryPolicyText")
_UNORDERED: Final = ("SubnetIds", "SecurityGroupIds", "Events", "Alarms", "ManagedPolicyArns",
                     "NotificationsWithSubscribers", "Metrics", "Dimensions")  # fmt: skip
_DEFAULTS: Final[Mapping[str, JsonValue]] = {
    "RetentionInDays": 0,
    "MaxSessionDuration": 3600,
    "Ipv6AllowedForDualStack": False,
    "PackageType": "Zip",
}
"""Values that AWS has where a setting is not there."""


Key: TypeAlias = tuple[str, str]
"""Type and name of a resource."""


@dataclass(frozen=True)
class CanonicalResource:
    """One resource; each setting is a path and its value as JSON."""

    type: str
    name: str
    settings: Mapping[str, str]
    after: frozenset[Key] = frozenset()
    """What must exist before it; what that needs in turn is left out."""
    explicitly_after: frozenset[Key] = frozenset()
    """Those of them that no reference names: only a line that says so."""


def archived(content: bytes) -> dict[str, JsonValue]:
    """The code of a function as a setting: what it is, not where it was uploaded."""
    return {"Sha256": hashlib.sha256(content).hexdigest()}


def canonical(type: str, name: str, properties: Mapping[str, JsonValue]) -> CanonicalResource:
    """The resource with the settings that these properties of CloudFormation give it."""
    flat = {path: json.dumps(value, sort_keys=True) for path, value in _flat(properties, "")}
    return CanonicalResource(type, name, dict(sorted(flat.items())))


def _flat(properties: Mapping[str, JsonValue], before: str) -> Iterator[tuple[str, JsonValue]]:
    for name, value in properties.items():
        path = f"{before}{name}"
        if value in (None, "", [], {}) or _DEFAULTS.get(name) == value:
            continue
        if name in _POLICIES:
            yield path, statements(value)
        elif name in ("Tags", "ResourceTags"):
            yield from ((f"{path}.{key}", text) for key, text in _tags(value).items())
        elif name == "Policies":
            yield from _inline(value, path)
        elif name == "LifecyclePolicyText":
            yield path, json.loads(value) if isinstance(value, str) else value
        elif isinstance(value, dict):
            yield from _flat(value, f"{path}.")
        else:
            yield path, sorted(value, key=json.dumps) if name in _UNORDERED and isinstance(value, list) else value


def _tags(value: JsonValue) -> dict[str, JsonValue]:
    if isinstance(value, list):
        return {str(pair["Key"]): pair["Value"] for pair in value if isinstance(pair, dict)}
    return value if isinstance(value, dict) else {}


def _inline(value: JsonValue, path: str) -> Iterator[tuple[str, JsonValue]]:
    for policy in value if isinstance(value, list) else []:
        assert isinstance(policy, dict)
        yield f"{path}.{policy['PolicyName']}", statements(policy["PolicyDocument"])


def statements(document: JsonValue) -> JsonValue:
    """A policy as a sorted set of its rights, each as one text."""
    parsed = json.loads(document) if isinstance(document, str) else document
    assert isinstance(parsed, dict)
    listed = parsed["Statement"]
    rights = {right for one in (listed if isinstance(listed, list) else [listed]) for right in _rights(one)}
    return [parsed.get("Version"), *sorted(rights)]


def _rights(statement: JsonValue) -> Iterator[str]:
    assert isinstance(statement, dict)
    known = {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}
    other = {key: value for key, value in statement.items() if key not in known}
    condition = json.dumps(_listed(statement.get("Condition")), sort_keys=True)
    for action in _texts(statement.get("Action")):
        for resource in _texts(statement.get("Resource")):
            for principal in _principals(statement.get("Principal")):
                parts = [
                    statement.get("Sid"),
                    statement.get("Effect"),
                    principal,
                    action,
                    resource,
                    condition,
                    *([other] if other else []),
                ]
                yield json.dumps(parts, sort_keys=True)


def _listed(value: JsonValue) -> JsonValue:
    """A condition whose single values are lists of one."""
    if isinstance(value, dict):
        return {key: _listed(inner) for key, inner in value.items()}
    return sorted(value, key=json.dumps) if isinstance(value, list) else [value]


def _principals(value: JsonValue) -> Sequence[str]:
    if isinstance(value, dict):
        return [f"{kind}:{name}" for kind, names in value.items() for name in _texts(names)]
    return _texts(value)


def _texts(value: JsonValue) -> Sequence[str]:
    if isinstance(value, list):
        return [str(text) for text in value]
    return [str(value)] if value is not None else [""]
