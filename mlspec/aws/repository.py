"""The repository in Amazon ECR: its settings and policies against those of `ecr/*.json`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from mlspec.aws.action import Action, FieldChange, create, differences, put, unexpected
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.ecr import Repository
from mlspec.aws.error_messages import code_of
from mlspec.aws.ownership import check_ownership
from mlspec.aws.resource_tags import PROJECT, SOURCE, to_pairs
from mlspec.errors import StageError

_MOST_IMAGES: Final = 100
"""Of one call (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchDeleteImage.html)."""


@dataclass(frozen=True)
class RepositoryProvider:
    """Reads and changes a repository.

    Without `parts` its policies are not read: `mlspec destroy` has no rights on them.
    """

    target: AwsTarget
    parts: bool = True

    def read(self, name: str) -> Repository | None:
        """The repository with its tags and policies; None where it does not exist."""
        from botocore.exceptions import ClientError

        client = self.target.client("ecr")
        try:
            answer = client.describe_repositories(repositoryNames=[name])["repositories"]
        except ClientError as error:
            if code_of(error) == "RepositoryNotFoundException":
                return None
            raise
        if not answer:
            return None
        pairs = client.list_tags_for_resource(resourceArn=answer[0]["repositoryArn"])["tags"]
        lifecycle = _text(client.get_lifecycle_policy, name, "lifecyclePolicyText") if self.parts else ""
        policy = _text(client.get_repository_policy, name, "policyText") if self.parts else ""
        return Repository.from_response(answer[0], pairs, lifecycle, policy)

    def diff(self, desired: Repository | None, current: Repository | None) -> list[Action]:
        """What creates the repository, or gives it its settings and policies. Raises StageError for another project's,
        and where its encryption would change."""
        if desired is None:
            return []
        if current is None:
            first = [create("repository", desired.name, desired.uri, desired.to_request())]
        else:
            self._check_owner(desired, current)
            _check_encryption(desired, current)
            first = [*_tags(desired, current), *_settings(desired, current)]
        return [*first, *_lifecycle(desired, current), *_policy(desired, current)]

    def _check_owner(self, desired: Repository, current: Repository) -> None:
        command = f"aws ecr tag-resource --resource-arn {current.arn} --tags Key={{}},Value={{}}"
        project = desired.tags[PROJECT]
        check_ownership(f"ecr repository {current.name}", current.tags, project, command, self.target.owner)

    def apply(self, action: Action) -> None:
        """Execute an action on the repository."""
        client, given = self.target.client("ecr"), action.arguments
        match action.operation:
            case "create":
                client.create_repository(**given)
            case "tag":
                client.tag_resource(**given)
            case "set-mutability":
                client.put_image_tag_mutability(**given)
            case "set-scan":
                client.put_image_scanning_configuration(**given)
            case "set-lifecycle":
                client.put_lifecycle_policy(**given)
            case "set-policy":
                client.set_repository_policy(**given)
            case "delete-policy":
                client.delete_repository_policy(**given)
            case "empty":
                self._empty(action.name)
            case "delete":
                client.delete_repository(repositoryName=action.name, force=True)
            case _:
                raise unexpected(action)

    def images(self, name: str) -> list[dict[str, str]]:
        """The digests of all images of a repository, each once."""
        pages = self.target.client("ecr").get_paginator("list_images").paginate(repositoryName=name)
        digests = {image["imageDigest"] for page in pages for image in page["imageIds"]}
        return [{"imageDigest": digest} for digest in sorted(digests)]

    def _empty(self, name: str) -> None:
        images = self.images(name)
        for first in range(0, len(images), _MOST_IMAGES):
            some = images[first : first + _MOST_IMAGES]
            self.target.client("ecr").batch_delete_image(repositoryName=name, imageIds=some)


def _tags(desired: Repository, current: Repository) -> list[Action]:
    """Those of a repository that is taken over; the address of one that was created before the project had one."""
    names = desired.tags if PROJECT not in current.tags else {SOURCE} & set(desired.tags)
    tags = {name: desired.tags[name] for name in names}
    changes = differences(dict(tags), {name: current.tags.get(name) for name in tags})
    pairs: list[JsonValue] = [dict(pair) for pair in to_pairs(tags)]
    arguments: dict[str, JsonValue] = {"resourceArn": current.arn, "tags": pairs}
    return [Action("repository", desired.name, "tag", changes, arguments)] if changes else []


def _settings(desired: Repository, current: Repository) -> list[Action]:
    actions, which = list[Action](), {"repositoryName": desired.name}
    if desired.immutable != current.immutable:
        change = FieldChange("~", "imageTagMutability", current.tag_mutability, desired.tag_mutability)
        arguments: dict[str, JsonValue] = {**which, "imageTagMutability": desired.tag_mutability}
        actions.append(Action("repository", desired.name, "set-mutability", (change,), arguments))
    if desired.scan != current.scan:
        change = FieldChange("~", "scanOnPush", current.scan, desired.scan)
        arguments = {**which, "imageScanningConfiguration": {"scanOnPush": desired.scan}}
        actions.append(Action("repository", desired.name, "set-scan", (change,), arguments))
    return actions


def _check_encryption(desired: Repository, current: Repository) -> None:
    if current.encryption == desired.encryption and desired.kms_key in (None, current.kms_key):
        return
    used = current.kms_key or current.encryption
    message = f"ecr repository {desired.name} is encrypted with {used}, and AWS cannot change that"
    raise StageError(message, help="give the repository another name, or set registry.ecr.kms_key to its present key")


def _lifecycle(desired: Repository, current: Repository | None) -> list[Action]:
    there = current.lifecycle if current else None
    if desired.lifecycle is None or desired.lifecycle == there:
        return []
    changes = put("lifecycle policy", there.purposes if there else None, desired.lifecycle.purposes)
    text = json.dumps(desired.lifecycle.to_json())
    arguments = {"repositoryName": desired.name, "lifecyclePolicyText": text}
    return [Action("repository", desired.name, "set-lifecycle", changes, arguments)]


def _policy(desired: Repository, current: Repository | None) -> list[Action]:
    there, which = current.policy if current else None, {"repositoryName": desired.name}
    if desired.policy == there:
        return []
    if desired.policy is None:
        change = FieldChange("-", "policy", old=there.sids if there else None)
        return [Action("repository", desired.name, "delete-policy", (change,), which)]
    changes = put("policy", there.sids if there else None, desired.policy.sids)
    return [
        Action("repository", desired.name, "set-policy", changes, {**which, "policyText": desired.policy.to_text()})
    ]


def _text(call: Callable[..., dict[str, str]], name: str, key: str) -> str:
    """A policy of the repository; "" where it has none."""
    from botocore.exceptions import ClientError

    try:
        return call(repositoryName=name)[key]
    except ClientError as error:
        if code_of(error).endswith("NotFoundException"):
            return ""
        raise
