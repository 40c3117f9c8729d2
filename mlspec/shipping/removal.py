"""What mlspec created for a project and tagged, and the actions that remove it. Everything else is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from mlspec.aws import alias
from mlspec.aws.action import Action, Executor, ResourceKind, delete
from mlspec.aws.aws_location import AwsLocation
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.bucket_provider import BucketProvider
from mlspec.aws.desired import DesiredFunction
from mlspec.aws.error_messages import code_of
from mlspec.aws.function import read_function
from mlspec.aws.function_url import FunctionUrlProvider
from mlspec.aws.http_api import HttpApiProvider
from mlspec.aws.image_retention import ImageTagProvider, other_functions_tags
from mlspec.aws.log_group import LogGroupProvider
from mlspec.aws.metric_alarm import MetricAlarmProvider
from mlspec.aws.ownership import foreign
from mlspec.aws.published_version import LATEST, VersionProvider
from mlspec.aws.repository import RepositoryProvider
from mlspec.aws.resources import history_group
from mlspec.aws.role import RoleProvider
from mlspec.errors import StageError
from mlspec.shipping.deployment import Deployment

_GONE: Final = (
    "ResourceNotFoundException", "RepositoryNotFoundException", "NoSuchEntity", "NotFoundException", "NoSuchBucket",
)  # fmt: skip
"""Error codes of a resource that does not exist."""


_OF_FOUNDATION: Final = "it belongs to the foundation, which --images removes"


class ResourcePlace(Protocol):
    """The account and the project that resources belong to: a DesiredFunction, or a ProjectAccount."""

    @property
    def target(self) -> AwsTarget: ...  # noqa: D102

    @property
    def location(self) -> AwsLocation: ...  # noqa: D102

    @property
    def project(self) -> str: ...  # noqa: D102


@dataclass(frozen=True)
class ProjectAccount:
    """The account of a project that has no function."""

    target: AwsTarget
    location: AwsLocation
    project: str


@dataclass(frozen=True, slots=True)
class Removal:
    """The removal of one resource. `detail` says what is in it; `kept` why it is not removed, "" where it is."""

    action: Action
    detail: str = ""
    kept: str = ""


def plan(desired: DesiredFunction, *, images: bool, bucket: str = "") -> list[Removal]:
    """All that exists, in the order in which it can be removed; after an interrupted removal, what is left of it.
    `bucket` is the name of the one that mlspec creates, "" for none."""
    return [
        *_function(desired),
        *_api(desired),
        *_alarms(desired),
        *_role(desired),
        *_log_groups(desired),
        *repository_removal(desired, desired.spec.repository, [desired.name], images=images),
        *bucket_removal(desired, bucket),
    ]


def carry_out(desired: DesiredFunction, removals: Iterable[Removal], say: Callable[[str], object]) -> None:
    """Remove what is not kept, in order."""
    execute({**Deployment(desired).providers, **data_providers(desired)}, removals, say)


def data_providers(place: ResourcePlace) -> dict[ResourceKind, Executor]:
    """Who removes what holds data."""
    return {
        "repository": RepositoryProvider(place.target),
        "bucket": BucketProvider(place.target, place.location),
    }


def execute(
    providers: Mapping[ResourceKind, Executor], removals: Iterable[Removal], say: Callable[[str], object]
) -> None:
    """Remove what is not kept, in order. What has been removed since the plan counts as removed."""
    from botocore.exceptions import ClientError

    for removal in removals:
        if removal.kept:
            continue
        try:
            providers[removal.action.kind].apply(removal.action)
        except ClientError as error:
            if code_of(error) not in _GONE:
                raise
        say(f"removed: {removal.action.resource}")


def _function(desired: DesiredFunction) -> list[Removal]:
    target, name = desired.target, desired.name
    function = read_function(target, name)
    if function is None:
        return []
    details = [count(len([v for v in VersionProvider(target).read(name) if v != LATEST]), "version")]
    if alias.read(target, name, desired.alias):
        details.append(f"alias {desired.alias}")
    if url := FunctionUrlProvider(target, desired.alias).read(name):
        details.append(url.url)
    return [
        Removal(_delete("function", name), ", ".join(details), foreign(function.tags, desired.project, target.owner))
    ]


def _api(desired: DesiredFunction) -> list[Removal]:
    provider = HttpApiProvider(desired.target, desired.spec.location, desired.alias, desired.project, parts=False)
    api = provider.read(desired.name)
    return [Removal(action, api.endpoint) for action in provider.diff(None, api)] if api else []


def _alarms(desired: DesiredFunction) -> list[Removal]:
    provider = MetricAlarmProvider(desired.target, desired.alias, desired.project)
    return [
        Removal(
            delete("alarm", one.name, None, {"AlarmNames": [one.name]}),
            kept=foreign(one.tags, desired.project, desired.target.owner),
        )
        for one in provider.read(desired.name).values()
    ]


def _role(desired: DesiredFunction) -> list[Removal]:
    name = desired.name
    role = RoleProvider(desired.target, parts=False).read(name) if desired.spec.options.role is None else None
    if role is None:
        return []
    return [Removal(_delete("role", name), kept=foreign(role.tags, desired.project, desired.target.owner))]


def _log_groups(desired: DesiredFunction) -> list[Removal]:
    provider, removals = LogGroupProvider(desired.target), []
    for name in (desired.spec.log_group_name, history_group(desired.name)):
        if group := provider.read(name):
            kept = foreign(group.tags, desired.project, desired.target.owner)
            removals.append(Removal(_delete("log-group", name), f"{group.size_bytes} bytes", kept))
    return removals


def repository_removal(place: ResourcePlace, name: str, functions: Sequence[str], *, images: bool) -> list[Removal]:
    """With `images`, unless other functions than these run its images."""
    target = place.target
    repository = RepositoryProvider(target, parts=False).read(name) if name else None
    if repository is None:
        return []
    pages = target.client("ecr").get_paginator("list_images").paginate(repositoryName=name)
    digests = {image["imageDigest"] for page in pages for image in page["imageIds"]}
    kept = foreign(repository.tags, place.project, target.owner)
    if images and not kept and (others := _others(target, name, functions)):
        kept = f"it has images that other functions run ({', '.join(others[:3])}); destroy these first"
    if not images:
        kept = kept or "--images removes it too, with all its images"
    return [Removal(_delete("repository", name), count(len(digests), "image"), kept)]


def _others(target: AwsTarget, repository: str, functions: Sequence[str]) -> list[str]:
    """The tags of images that none of the functions runs."""
    tags = ImageTagProvider(target, "").read(repository)
    return other_functions_tags(tags, functions) if tags else []


def bucket_removal(place: ResourcePlace, name: str, *, foundation: bool = True) -> list[Removal]:
    """Only an empty one: the data and the models of a project are in no other place. It stays with the `foundation` of
    a tool."""
    target = place.target
    provider = BucketProvider(target, place.location, parts=False)
    try:
        bucket = provider.read(name) if name else None
    except StageError as error:  # a bucket of another account
        return [Removal(_delete("bucket", name), kept=error.message)]
    if bucket is None:
        return []
    kept = foreign(bucket.tags, place.project, target.owner)
    if not kept and provider.objects(name):
        kept = "it holds data, and mlspec deletes none. Empty it first, with all versions, then: mlspec destroy"
    kept = kept or ("" if foundation else _OF_FOUNDATION)
    return [Removal(_delete("bucket", name), "" if kept else "it is empty", kept)]


def _delete(kind: ResourceKind, name: str) -> Action:
    return delete(kind, name, None, {})


def count(number: int, noun: str) -> str:
    """`1 image`, `2 images`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
