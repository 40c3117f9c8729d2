"""Tags that keep an image from expiring while a version that runs it is live, or is what one would go back to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.change import RemoteChange
from mlspec.aws.converge import ConvergeStep
from mlspec.aws.ecr import KEEP
from mlspec.aws.error_messages import code_of


def steps(
    target: AwsTarget, repository: str, function: str, kept: Mapping[str, str], *, release: bool
) -> list[ConvergeStep]:
    """What puts the tag `keep-VERSION` on each image of `kept`: version to digest.

    A function that does not have the repository's name may share it with others: its tags are `keep-FUNCTION-VERSION`.

    With `release` the tags of all other versions go; an image that keeps another tag stays.
    """
    client, made = target.client("ecr"), []
    opening = _opening(repository, function)
    there = _tags(client, repository)
    for version, digest in kept.items():
        if (tag := opening + version) not in there and digest:
            change = RemoteChange("+", f"ecr tag {tag}", new=digest)
            made.append(ConvergeStep((change,), partial(_put, client, repository, digest, tag)))
    gone = [tag for tag in there if (match := _own(opening, tag)) and match[1] not in kept] if release else []
    for tag in gone:
        change = RemoteChange("-", f"ecr tag {tag}", old=there[tag])
        made.append(ConvergeStep((change,), partial(_remove, client, repository, tag)))
    return made


def others(target: AwsTarget, repository: str, function: str) -> list[str]:
    """Tags of images that other functions run, or would go back to."""
    opening = _opening(repository, function)
    return sorted(
        tag for tag in _tags(target.client("ecr"), repository) if tag.startswith(KEEP) and not _own(opening, tag)
    )


def _opening(repository: str, function: str) -> str:
    return KEEP if function == repository else f"{KEEP}{function}-"


def _own(opening: str, tag: str) -> re.Match[str] | None:
    """A match of the version, where the tag is the function's."""
    return re.fullmatch(re.escape(opening) + "([0-9]+)", tag)


def _tags(client: Any, repository: str) -> dict[str, str]:
    """Tag to digest of every tagged image; none where there is no repository."""
    from botocore.exceptions import ClientError

    pages = client.get_paginator("list_images").paginate(repositoryName=repository, filter={"tagStatus": "TAGGED"})
    try:
        return {found["imageTag"]: found["imageDigest"] for page in pages for found in page["imageIds"]}
    except ClientError as error:
        if code_of(error) == "RepositoryNotFoundException":
            return {}
        raise


def _put(client: Any, repository: str, digest: str, tag: str) -> None:
    """One more tag for an image: its own manifest, put again under that name."""
    from botocore.exceptions import ClientError

    found = client.batch_get_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])["images"]
    if not found:
        return  # it is live and gone from the registry: Lambda keeps its own copy, and there is nothing to protect
    manifest = {"imageManifest": found[0]["imageManifest"]}
    if found[0].get("imageManifestMediaType"):
        manifest["imageManifestMediaType"] = found[0]["imageManifestMediaType"]
    try:
        client.put_image(repositoryName=repository, imageTag=tag, imageDigest=digest, **manifest)
    except ClientError as error:
        if code_of(error) not in ("ImageAlreadyExistsException", "ImageTagAlreadyExistsException"):
            raise


def _remove(client: Any, repository: str, tag: str) -> None:
    client.batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": tag}])
