"""Everything in which two sources may differ, each with its reason; and the comparison that allows nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, Literal

from tests.scenarios.equivalence.canonical import CanonicalResource
from tests.scenarios.equivalence.order import order_faults

Source = Literal["direct", "terraform", "sam", "serverless", "cloudformation"]
NAMES: Final[Mapping[Source, str]] = {
    "direct": "`mlspec apply`",
    "terraform": "Terraform",
    "sam": "SAM",
    "serverless": "Serverless",
    "cloudformation": "CloudFormation",
}


@dataclass(frozen=True, slots=True)
class AllowedDifference:
    """Resources of a type that only `sources` have; with `setting`, a setting that only they have, with `another` one
    that only they give another value. `name` and `setting` are patterns."""

    sources: frozenset[Source]
    type: str
    reason: str
    setting: str = ""
    name: str = ".*"
    another: bool = False


def _only(
    sources: str, type: str, reason: str, setting: str = "", name: str = ".*", *, another: bool = False
) -> AllowedDifference:
    known: dict[str, Source] = {source: source for source in NAMES}
    return AllowedDifference(frozenset(known[one] for one in sources.split()), type, reason, setting, name, another)


_KEPT: Final = "(Deletion|UpdateReplace)Policy"
_DELIVERS: Final = "sam serverless cloudformation"
ALLOWED: Final = (
    _only("terraform sam serverless cloudformation", "AWS::IAM::OIDCProvider",
          "An administrator creates it once: `mlspec apply` has no rights on it"),
    _only("sam serverless cloudformation", "AWS::IAM::OIDCProvider",
          "Terraform has no such setting: a comment in `github.tf` says how to keep it", _KEPT),
    _only("terraform sam serverless cloudformation", "AWS::Logs::LogGroup",
          "`mlspec apply` deletes nothing: only `destroy` does", _KEPT),
    _only("terraform sam serverless cloudformation", "AWS::ECR::Repository",
          "`mlspec apply` deletes nothing: only `destroy` does", _KEPT),
    _only("sam serverless cloudformation", "AWS::Lambda::Version",
          "Without a stack each release adds a version and removes none", "DeletionPolicy"),
    _only("serverless cloudformation", "AWS::Lambda::Version",
          "Another version has another id in SAM's template, so none is replaced", "UpdateReplacePolicy"),
    _only("terraform sam serverless cloudformation", "AWS::Budgets::Budget",
          "It belongs to the account: `mlspec apply` compares its estimate with the budget, before it changes anything"),
    _only("terraform sam serverless cloudformation", "AWS::IAM::Role",
          "An administrator creates it from `ecr/github-trust.json` and the policies beside it", name=".*-release"),
    _only("terraform sam serverless cloudformation", "AWS::IAM::Role",
          "An administrator creates it from the files in `s3/`", name=".*-data-(read|write)"),
    _only("terraform cloudformation", "AWS::IAM::Role", "mlspec delivers: the role may change the code and the alias, nothing else",
          r"Policies\.deliver", ".*-release"),
    _only(_DELIVERS, "AWS::IAM::Role", "The stack delivers: the role may deploy it, within the permissions boundary",
          r"Policies\.release", ".*-release"),
    _only("serverless cloudformation", "AWS::IAM::Role", "The framework uploads a package, and CloudFormation reads the secrets",
          r"Policies\.packages", ".*-release"),
    _only(_DELIVERS, "AWS::Lambda::Function", "CloudFormation reads a zip from a bucket; the others send it to Lambda",
          r"Code\.S3Bucket"),
    _only("serverless", "AWS::Lambda::Function", "The framework uploads a zip to its own bucket, not to that of the spec",
          r"Code\.S3Bucket", another=True),
    _only("direct sam serverless cloudformation", "AWS::Lambda::Permission",
          "Not every release of the AWS provider can express it: the stage `deploy` adds both statements", name=r".* by \*"),
    _only("direct terraform", "AWS::Lambda::Permission", "CloudFormation chooses the id of a statement", "StatementId"),
    _only("terraform sam serverless cloudformation", "AWS::S3::Bucket",
          "`mlspec apply` deletes nothing: only `destroy` does, and no data", _KEPT, "team-data"),
    _only("terraform sam serverless cloudformation", "AWS::S3::BucketPolicy",
          "It stays with its bucket", _KEPT, "team-data"),
    _only("serverless", "AWS::S3::Bucket", "The framework uploads its packages to it: one for each stack",
          name="cola-.*-bucket"),
    _only("serverless", "AWS::S3::BucketPolicy", "Refuses requests to that bucket that are not encrypted",
          name="cola-.*-bucket"),
    _only(_DELIVERS, "AWS::CloudWatch::Alarm", "mlspec reads the metrics itself while it moves the alias",
          name=".*-new-version-.*"),
    _only(_DELIVERS, "AWS::CodeDeploy::Application", "mlspec moves the alias itself, step by step"),
    _only(_DELIVERS, "AWS::CodeDeploy::DeploymentGroup", "mlspec moves the alias itself, step by step"),
    _only(_DELIVERS, "AWS::CodeDeploy::DeploymentConfig", "mlspec moves the alias itself, step by step"),
    _only(_DELIVERS, "AWS::IAM::Role", "mlspec moves the alias with the rights of who releases", name=".*-codedeploy"),
    _only(_DELIVERS, "AWS::Lambda::Alias", "mlspec moves the alias itself, step by step", r"UpdatePolicy\..*"),
)  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """What differs between the sources and is not allowed, and the lines of the table that were needed."""

    faults: tuple[str, ...]
    needed: frozenset[AllowedDifference]


def compare(sources: Mapping[Source, Sequence[CanonicalResource]]) -> Comparison:
    """Compare each two sources. A resource or a setting of one source alone is a fault, a value that differs, and an
    order of creation that one does not guarantee."""
    faults = [fault for source, own in sources.items() for fault in order_faults(source, own)]
    needed: set[AllowedDifference] = set()
    for one, other in combinations(sources, 2):
        for difference in _differences(by_name(sources[one]), by_name(sources[other])):
            allowed = [line for line in ALLOWED if _allows(line, difference, one, other)]
            needed |= set(allowed)
            if not allowed:
                faults.append(f"{one} and {other}: {difference}")
    return Comparison(tuple(faults), frozenset(needed))


@dataclass(frozen=True, slots=True)
class _Difference:
    type: str
    name: str
    setting: str
    values: tuple[str | None, str | None]

    def __str__(self) -> str:
        path = f" {self.setting}" if self.setting else ""
        return f"{self.type} {self.name}{path}: {self.values[0]} against {self.values[1]}"


def by_name(resources: Iterable[CanonicalResource]) -> dict[tuple[str, str], CanonicalResource]:
    """The resources by type and name, each of which there must be once."""
    listed = list(resources)
    named = {(one.type, one.name): one for one in listed}
    assert len(named) == len(listed), sorted((one.type, one.name) for one in listed)
    return named


def _differences(
    one: Mapping[tuple[str, str], CanonicalResource], other: Mapping[tuple[str, str], CanonicalResource]
) -> Iterator[_Difference]:
    for key in sorted({*one, *other}):
        left, right = one.get(key), other.get(key)
        if left is None or right is None:
            yield _Difference(*key, "", ("there" if left else None, "there" if right else None))
            continue
        for path in sorted({*left.settings, *right.settings}):
            values = (left.settings.get(path), right.settings.get(path))
            if values[0] != values[1]:
                yield _Difference(*key, path, values)


def _allows(line: AllowedDifference, difference: _Difference, one: Source, other: Source) -> bool:
    """Of the two sources only one is among those of the line; where one has what the other has not, it is that one."""
    if line.type != difference.type or not re.fullmatch(line.name, difference.name):
        return False
    if bool(line.setting) != bool(difference.setting) or not re.fullmatch(line.setting, difference.setting):
        return False
    if line.another:
        return None not in difference.values and (one in line.sources) != (other in line.sources)
    has, has_not = (one, other) if difference.values[1] is None else (other, one)
    return None in difference.values and has in line.sources and has_not not in line.sources


def table() -> str:
    """The allowed differences in Markdown."""
    rows = ["| resource | only in | why |", "|---|---|---|"]
    for line in ALLOWED:
        of = "" if line.name == ".*" else f" `{_shown(line.name)}`"
        setting = f", `{_shown(line.setting)}`" if line.setting else ""
        only = ", ".join(NAMES[source] for source in NAMES if source in line.sources and source != "cloudformation")
        only = f"{only}: another value" if line.another else only
        rows.append(f"| {line.type}{of}{setting} | {only} | {line.reason} |")
    return "\n".join(rows) + "\n"


def _shown(pattern: str) -> str:
    """A pattern as a cell of a table, in which `|` would begin the next one."""
    return pattern.replace("\\", "").replace(".*", "…").replace("|", "\\|")
