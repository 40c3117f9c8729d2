"""A repository in Amazon ECR as a value, and who may push to it and pull from it. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from mlspec.aws.aws_location import AwsLocation
from mlspec.aws.kms_key import key_rights
from mlspec.aws.policy_document import PolicyDocument, Statement
from mlspec.aws.resource_tags import from_pairs, tags, to_pairs
from mlspec.sections.registry import Ecr

KEEP: Final = "keep-"
"""Prefix of the tags that protect an image from the lifecycle: `keep-7` is on that of the function's version 7."""


@dataclass(frozen=True, slots=True)
class LifecycleRule:
    """Which images expire. `selection` is in ECR's form; rules that differ in their description only are equal."""

    priority: int
    description: str = field(compare=False)
    selection: Mapping[str, JsonValue]

    def to_json(self) -> dict[str, JsonValue]:
        """The rule in ECR's form."""
        return {
            "rulePriority": self.priority,
            "description": self.description,
            "selection": dict(self.selection),
            "action": {"type": "expire"},
        }


@dataclass(frozen=True, slots=True)
class LifecyclePolicy:
    """A repository's lifecycle policy."""

    rules: tuple[LifecycleRule, ...]

    def to_json(self) -> dict[str, JsonValue]:
        """Policy text of `aws ecr put-lifecycle-policy`."""
        return {"rules": [rule.to_json() for rule in self.rules]}

    @classmethod
    def parse(cls, text: str) -> LifecyclePolicy:
        """The policy in one of ECR's answers."""
        rules = json.loads(text).get("rules", [])
        return cls(
            tuple(
                LifecycleRule(r.get("rulePriority", 0), r.get("description", ""), r.get("selection", {})) for r in rules
            )
        )

    @property
    def purposes(self) -> str:
        """What its rules are for, for a person."""
        return ", ".join(rule.description or "unnamed" for rule in self.rules)


@dataclass(frozen=True, slots=True)
class Repository:
    """An image repository: as the spec describes it, or as it is in the account."""

    name: str
    immutable: bool
    scan: bool
    kms_key: str | None
    tags: Mapping[str, str]
    lifecycle: LifecyclePolicy | None
    policy: PolicyDocument | None
    uri: str = ""
    arn: str = ""
    """Of one that exists."""
    encryption: str = "AES256"

    @property
    def tag_mutability(self) -> str:
        """ECR's word for `immutable`."""
        return "IMMUTABLE" if self.immutable else "MUTABLE"

    def to_request(self) -> dict[str, JsonValue]:
        """Input of `aws ecr create-repository`."""
        key: dict[str, JsonValue] = {"kmsKey": self.kms_key} if self.kms_key else {}
        return {
            "repositoryName": self.name,
            "imageTagMutability": self.tag_mutability,
            "imageScanningConfiguration": {"scanOnPush": self.scan},
            "encryptionConfiguration": {"encryptionType": self.encryption, **key},
            "tags": [dict(pair) for pair in to_pairs(self.tags)],
        }

    @classmethod
    def from_response(
        cls, answer: Mapping[str, JsonValue], pairs: Iterable[Mapping[str, str]], lifecycle: str, policy: str
    ) -> Repository:
        """The repository in ECR's answers; the two policies are texts, "" for none."""
        scan, encryption = answer.get("imageScanningConfiguration"), answer.get("encryptionConfiguration")
        encryption = encryption if isinstance(encryption, dict) else {}
        return cls(
            name=str(answer["repositoryName"]),
            immutable=answer.get("imageTagMutability") == "IMMUTABLE",
            scan=isinstance(scan, dict) and scan.get("scanOnPush") is True,
            kms_key=str(encryption["kmsKey"]) if encryption.get("kmsKey") else None,
            tags=from_pairs(pairs),
            lifecycle=LifecyclePolicy.parse(lifecycle) if lifecycle else None,
            policy=PolicyDocument.parse(policy) if policy else None,
            uri=str(answer.get("repositoryUri", "")),
            arn=str(answer["repositoryArn"]),
            encryption=str(encryption.get("encryptionType", "AES256")),
        )


def repository(ecr: Ecr, location: AwsLocation, project: str, *, on_lambda: bool, source: str = "") -> Repository:
    """The repository that the section `registry.ecr` describes."""
    return Repository(
        name=ecr.repository,
        immutable=ecr.immutable,
        scan=ecr.scan,
        kms_key=ecr.kms_key,
        tags=tags(project, source),
        lifecycle=lifecycle(ecr),
        policy=repository_policy(ecr, location, on_lambda=on_lambda),
        uri=location.image_uri(ecr.repository),
        encryption="KMS" if ecr.kms_key else "AES256",
    )


def ecr_location(ecr: Ecr) -> AwsLocation:
    """Account and region of the section `registry.ecr`."""
    return AwsLocation(ecr.region, ecr.account) if ecr.account else AwsLocation(ecr.region)


def lifecycle(ecr: Ecr) -> LifecyclePolicy:
    """The lifecycle policy: untagged images and all but the newest releases expire.

    The live version's image and that of the version before it have a tag of their own (KEEP). The first rule selects
    those tags and never has enough images to expire one; and an image that a rule selects is out of reach of every rule
    after it (https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html, "considerations").
    """
    more = "imageCountMoreThan"
    rules: tuple[tuple[str, dict[str, JsonValue]], ...] = (
        ("keep live and previous images",
         {"tagStatus": "tagged", "tagPatternList": [f"{KEEP}*"], "countType": more, "countNumber": 1000}),
        ("expire untagged after 7 days",
         {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 7}),
        (f"keep {ecr.keep} newest releases",
         {"tagStatus": "tagged", "tagPatternList": ["*"], "countType": more, "countNumber": ecr.keep}),
    )  # fmt: skip
    return LifecyclePolicy(tuple(LifecycleRule(n, purpose, chosen) for n, (purpose, chosen) in enumerate(rules, 1)))


def repository_policy(ecr: Ecr, location: AwsLocation, *, on_lambda: bool) -> PolicyDocument | None:
    """Who besides the account itself may pull images; None where no other account or service needs to."""
    pull = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
    statements: list[Statement] = []
    if on_lambda:
        # Functions of several environments may run its images, and each deployment writes the policy as a whole.
        source = {"StringLike": {"aws:sourceArn": location.arn("lambda", "function:*")}}
        service = {"Service": "lambda.amazonaws.com"}
        statements.append(Statement(pull, sid="LambdaPull", principal=service, condition=source))
    if ecr.pull_accounts:
        roots = tuple(f"arn:{location.partition}:iam::{number}:root" for number in ecr.pull_accounts)
        actions = (*pull, "ecr:BatchCheckLayerAvailability")
        statements.append(Statement(actions, sid="AccountPull", principal={"AWS": roots}))
    return PolicyDocument(tuple(statements)) if statements else None


_LOG_IN: Final = Statement("ecr:GetAuthorizationToken", "*", "LogIn")
_PULL: Final = ("BatchCheckLayerAvailability", "BatchGetImage", "DescribeImages", "GetDownloadUrlForLayer")
_PUSH: Final = ("CompleteLayerUpload", "InitiateLayerUpload", "PutImage", "UploadLayerPart")
_SETTLE: Final = ("CreateRepository", "DeleteRepositoryPolicy", "DescribeRepositories", "GetLifecyclePolicy",
                  "GetRepositoryPolicy", "ListTagsForResource", "PutImageScanningConfiguration",
                  "PutImageTagMutability", "PutLifecyclePolicy", "SetRepositoryPolicy", "TagResource")  # fmt: skip
_KEEP: Final = (*_PULL, "BatchDeleteImage", "GetRepositoryPolicy", "ListImages", "PutImage")


def push_policy(ecr: Ecr, location: AwsLocation | None = None, *, settle: bool = True) -> PolicyDocument:
    """Rights of the stage `push`: log in, push to this one repository, and with `settle` configure it."""
    at = (location or ecr_location(ecr), ecr.repository)
    statements = [_LOG_IN, repository_rights("Push", *at, _PULL + _PUSH)]
    if settle:
        statements.append(repository_rights("Settle", *at, _SETTLE))
    if ecr.kms_key and settle:
        statements.append(key_rights(ecr.kms_key, ("CreateGrant", "DescribeKey", "RetireGrant"), "ecr"))
    return PolicyDocument(tuple(statements))


def keep_rights(location: AwsLocation, repository: str) -> list[Statement]:
    """Rights of the stage `deploy` on images: read them, and tag those that must not expire."""
    return [_LOG_IN, repository_rights("Image", location, repository, _KEEP)]


def repository_rights(sid: str, location: AwsLocation, repository: str, actions: Iterable[str]) -> Statement:
    """A statement that allows ECR's `actions` on this one repository."""
    resource = location.arn("ecr", f"repository/{repository}")
    return Statement(tuple(f"ecr:{action}" for action in sorted(actions)), resource, sid)


def github_trust(location: AwsLocation, repository: str, environment: str) -> PolicyDocument:
    """Who may assume the releasing role: a job of that GitHub repository, in that environment, and nothing else."""
    issuer = "token.actions.githubusercontent.com"
    provider = {"Federated": location.iam_arn(f"oidc-provider/{issuer}")}
    subject = f"repo:{repository or '${GITHUB_REPOSITORY}'}:environment:{environment}"
    condition = {"StringEquals": {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:sub": subject}}
    action = "sts:AssumeRoleWithWebIdentity"
    return PolicyDocument((Statement(action, principal=provider, condition=condition),))
