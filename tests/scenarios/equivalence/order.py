"""What must exist before what: by references and explicit dependencies of a template, or by the order of requests.

A tool creates what nothing connects in any order, even at once. So each line of the table must be guaranteed by every
source, and each explicit dependency must be a line of the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from tests.scenarios.equivalence.canonical import CanonicalResource, Key


@dataclass(frozen=True, slots=True)
class RequiredOrder:
    """Resources of a type, each created after all of another type. Names are patterns."""

    type: str
    after: str
    reason: str
    name: str = ".*"
    after_name: str = ".*"

    def requires(self, one: Key, other: Key) -> bool:
        """Whether `one` must be created after `other`."""
        return (one[0], other[0]) == (self.type, self.after) and bool(
            re.fullmatch(self.name, one[1]) and re.fullmatch(self.after_name, other[1])
        )


_LAMBDA: Final = "AWS::Lambda::"
_API: Final = "AWS::ApiGatewayV2::"
_DEPLOY: Final = "AWS::CodeDeploy::"
ORDER: Final = (
    RequiredOrder(f"{_LAMBDA}Function", "AWS::IAM::Role", "It runs with the rights of the role from its first request",
                  after_name="cola"),
    RequiredOrder(f"{_LAMBDA}Function", "AWS::Logs::LogGroup", "Lambda would create one without a retention",
                  after_name="/aws/lambda/.*"),
    RequiredOrder(f"{_LAMBDA}Version", f"{_LAMBDA}Function", "It is a copy of the function"),
    RequiredOrder(f"{_LAMBDA}Alias", f"{_LAMBDA}Version", "It never sends a client to `$LATEST`"),
    RequiredOrder(f"{_LAMBDA}Url", f"{_LAMBDA}Alias", "It is the address of the alias"),
    RequiredOrder(f"{_LAMBDA}Permission", f"{_LAMBDA}Alias", "It belongs to the policy of the alias"),
    RequiredOrder(f"{_LAMBDA}Permission", f"{_API}Api", "It names the API", name=".* by apigateway.*"),
    RequiredOrder(f"{_API}Integration", f"{_API}Api", "It is a part of the API"),
    RequiredOrder(f"{_API}Integration", f"{_LAMBDA}Alias", "It calls the alias"),
    RequiredOrder(f"{_API}Route", f"{_API}Integration", "It leads to the integration"),
    RequiredOrder(f"{_API}Stage", f"{_API}Api", "It is a part of the API"),
    RequiredOrder("AWS::IAM::Role", "AWS::IAM::OIDCProvider", "IAM trusts no provider that does not exist",
                  name=".*-(release|data-read|data-write)"),
    RequiredOrder("AWS::S3::BucketPolicy", "AWS::S3::Bucket", "It is the policy of the bucket",
                  name="team-data", after_name="team-data"),
    RequiredOrder(f"{_DEPLOY}DeploymentGroup", f"{_DEPLOY}Application", "It is a part of the application"),
    RequiredOrder(f"{_DEPLOY}DeploymentGroup", "AWS::IAM::Role", "CodeDeploy moves the alias with the role",
                  after_name=".*-codedeploy"),
    RequiredOrder(f"{_LAMBDA}Alias", f"{_DEPLOY}DeploymentGroup", "CodeDeploy moves it"),
)  # fmt: skip


@cache
def _required(one: Key, other: Key) -> bool:
    return any(line.requires(one, other) for line in ORDER)


def order_faults(source: str, resources: Sequence[CanonicalResource]) -> Iterator[str]:
    """Orders that the source does not guarantee, and explicit dependencies that the table does not have."""
    before = {(one.type, one.name): one.after for one in resources}
    explicit = {(one.type, one.name): one.explicitly_after for one in resources}
    for one in before:
        for other in before:
            required = _required(one, other)
            if required and other not in _all_before(one, before):
                yield f"{source}: {' '.join(one)} is not created after {' '.join(other)}"
            if not required and other in explicit[one]:
                yield f"{source}: {' '.join(one)} waits for {' '.join(other)} without a reason"


def _all_before(key: Key, before: dict[Key, frozenset[Key]]) -> frozenset[Key]:
    earlier: set[Key] = set()
    left = list(before[key])
    while left:
        one = left.pop()
        if one not in earlier:
            earlier.add(one)
            left += before.get(one, frozenset())
    return frozenset(earlier)


def order_table() -> str:
    """The required order in Markdown."""
    rows = ["| resource | after | why |", "|---|---|---|"]
    for line in ORDER:
        names = [f" `{_shown(name)}`" if name not in (".*", "cola") else "" for name in (line.name, line.after_name)]
        rows.append(f"| {line.type}{names[0]} | {line.after}{names[1]} | {line.reason} |")
    return "\n".join(rows) + "\n"


def _shown(pattern: str) -> str:
    return pattern.replace(".*", "…").replace("|", "\\|")
