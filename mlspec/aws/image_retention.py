"""Tags that keep an image from expiring while a version that runs it is live, or was live before."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from mlspec.aws.action import Action, create, delete
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.ecr import KEEP
from mlspec.aws.error_messages import code_of
from mlspec.aws.known_after_apply import join
from mlspec.aws.resources import ImageTags


@dataclass(frozen=True)
class ImageTagProvider:
    """Reads the tags of a repository, and changes those of one function: `keep-VERSION`.

    A function that does not have the repository's name may share it with others: its tags are `keep-FUNCTION-VERSION`.
    With `release` the tags of all versions that are not desired are removed; an image that has another tag stays.
    """

    target: AwsTarget
    function: str
    release: bool = False

    def read(self, name: str) -> ImageTags | None:
        """Every tag of the repository; None where it does not exist."""
        from botocore.exceptions import ClientError

        client = self.target.client("ecr")
        pages = client.get_paginator("list_images").paginate(repositoryName=name, filter={"tagStatus": "TAGGED"})
        try:
            digests = {image["imageTag"]: image["imageDigest"] for page in pages for image in page["imageIds"]}
        except ClientError as error:
            if code_of(error) == "RepositoryNotFoundException":
                return None
            raise
        return ImageTags(name, self.function, digests)

    def diff(self, desired: ImageTags | None, current: ImageTags | None) -> list[Action]:
        """What tags the images of the desired versions: a version's number to the digest of its image."""
        if desired is None:
            return []
        there, prefix = current.digests if current else {}, _prefix(desired.repository, self.function)
        tags = {join(prefix, version): digest for version, digest in desired.digests.items()}
        added = [
            create("image-tag", tag, digest, _arguments(desired.repository, digest))
            for tag, digest in tags.items()
            if tag not in there and digest
        ]
        own = [tag for tag in there if re.fullmatch(re.escape(prefix) + "[0-9]+", tag)] if self.release else []
        gone = [
            delete("image-tag", tag, there[tag], {"repositoryName": desired.repository})
            for tag in own
            if tag not in tags
        ]
        return [*added, *gone]

    def apply(self, action: Action) -> None:
        """Execute an action on a tag."""
        if action.operation == "delete":
            tag = [{"imageTag": action.name}]
            self.target.client("ecr").batch_delete_image(**action.arguments, imageIds=tag)
        else:
            self._put(action)

    def _put(self, action: Action) -> None:
        """One more tag for an image: its own manifest, put again under that name."""
        from botocore.exceptions import ClientError

        client, repository = self.target.client("ecr"), action.arguments["repositoryName"]
        digest = action.arguments["imageDigest"]
        images = client.batch_get_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])["images"]
        if not images:
            return  # it is live and gone from the registry: Lambda has its own copy, and there is nothing to protect
        names = ("imageManifest", "imageManifestMediaType")
        manifest = {name: images[0][name] for name in names if images[0].get(name)}
        try:
            client.put_image(repositoryName=repository, imageTag=action.name, imageDigest=digest, **manifest)
        except ClientError as error:
            if code_of(error) not in ("ImageAlreadyExistsException", "ImageTagAlreadyExistsException"):
                raise


def other_functions_tags(tags: ImageTags, functions: Sequence[str] = ()) -> list[str]:
    """Tags of images that other functions run, or ran before: others than that of the tags, and than `functions`."""
    own = [re.escape(_prefix(tags.repository, name)) + "[0-9]+" for name in (tags.function, *functions) if name]
    return sorted(
        tag for tag in tags.digests if tag.startswith(KEEP) and not any(re.fullmatch(one, tag) for one in own)
    )


def running_functions(tags: ImageTags) -> list[str]:
    """The functions that run images of a repository, or ran them before, by its tags."""
    matches = (re.fullmatch(f"{re.escape(KEEP)}(?:(.+)-)?[0-9]+", tag) for tag in tags.digests)
    return sorted({match[1] or tags.repository for match in matches if match})


def _prefix(repository: str, function: str) -> str:
    return KEEP if function == repository else f"{KEEP}{function}-"


def _arguments(repository: str, digest: str) -> dict[str, JsonValue]:
    return {"repositoryName": repository, "imageDigest": digest}
