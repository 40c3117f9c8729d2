"""What mlspec made for a project and tagged, and the calls that remove it. What carries no such tag is left alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from mlspec.aws import alias, function, function_url, http_api, image_retention, published_version, repository, role
from mlspec.aws import log_group as logs
from mlspec.aws.cli_input import log_group
from mlspec.aws.converge import PROJECT, elsewhere, unpaired
from mlspec.aws.desired import DesiredFunction


@dataclass(frozen=True)
class ExistingResource:
    """One resource. `left` says why it stays, "" where it is to go."""

    resource: str
    detail: str
    act: Callable[[], object]
    left: str = ""


def found(wanted: DesiredFunction, *, images: bool) -> list[ExistingResource]:
    """All that there is, in the order in which it can be removed; after a half-done removal, what is left of it."""
    looks = (_function, _api, _role, _logs, partial(_repository, images=images))
    return [resource for look in looks for resource in look(wanted)]


def _left(wanted: DesiredFunction, tags: dict[str, str]) -> str:
    owner = tags.get(PROJECT)
    if owner == wanted.project:
        other = elsewhere(tags, wanted.target)
        return f"it belongs to the project {owner} in {other}" if other else ""
    return f"it belongs to the project {owner}" if owner else "mlspec did not make it"


def _function(wanted: DesiredFunction) -> list[ExistingResource]:
    target, name, live = wanted.target, wanted.function.name, wanted.function.options.alias
    there = function.read(target, name)
    if there is None:
        return []
    count = len(published_version.versions(target, name)) - 1
    parts = [f"{count} version{'s' if count != 1 else ''}"]
    if alias.read(target, name, live):
        parts.append(f"alias {live}")
    if url := function_url.read(target, name, live):
        parts.append(str(url["FunctionUrl"]))
    act = partial(target.client("lambda").delete_function, FunctionName=name)
    return [ExistingResource(function.resource(name), ", ".join(parts), act, _left(wanted, there.get("Tags", {})))]


def _api(wanted: DesiredFunction) -> list[ExistingResource]:
    there = http_api.read(wanted.target, wanted.function.name, wanted.project)
    if there is None:
        return []
    act = partial(wanted.target.client("apigatewayv2").delete_api, ApiId=there["ApiId"])
    return [ExistingResource(http_api.resource(wanted.function.name), str(there["ApiEndpoint"]), act)]


def _role(wanted: DesiredFunction) -> list[ExistingResource]:
    name = wanted.function.name
    there = role.read(wanted.target, name) if wanted.function.options.role is None else None
    if there is None:
        return []
    left = _left(wanted, unpaired(there.get("Tags", [])))
    return [ExistingResource(role.resource(name), "", partial(_delete_role, wanted.target.client("iam"), name), left)]


def _delete_role(client: Any, name: str) -> None:
    """AWS deletes only a role that nothing is attached to."""
    for policy in client.list_role_policies(RoleName=name)["PolicyNames"]:
        client.delete_role_policy(RoleName=name, PolicyName=policy)
    for policy in client.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
        client.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
    client.delete_role(RoleName=name)


def _logs(wanted: DesiredFunction) -> list[ExistingResource]:
    client, made = wanted.target.client("logs"), []
    for name in (log_group(wanted.function), f"/mlspec/{wanted.function.name}"):
        there = logs.read(wanted.target, name)
        if there is not None:
            left = _left(wanted, client.list_tags_for_resource(resourceArn=logs.arn_of(there))["tags"])
            act = partial(client.delete_log_group, logGroupName=name)
            made.append(ExistingResource(logs.resource(name), f"{there.get('storedBytes', 0)} bytes", act, left))
    return made


def _repository(wanted: DesiredFunction, *, images: bool) -> list[ExistingResource]:
    client, name = wanted.target.client("ecr"), wanted.function.ecr.repository
    there = repository.read(wanted.target, name) if name else None
    if there is None:
        return []
    left = _left(wanted, repository.tags_of(wanted.target, there))
    pages = client.get_paginator("list_images").paginate(repositoryName=name)
    count = len({image["imageDigest"] for page in pages for image in page["imageIds"]})
    if images and (others := image_retention.others(wanted.target, name, wanted.function.name)):
        left = left or f"it has images that other functions run ({', '.join(others[:3])}); destroy these first"
    if not images:
        left = left or "its images are kept; --images removes them too"
    act = partial(client.delete_repository, repositoryName=name, force=True)
    return [ExistingResource(repository.resource(name), f"{count} image{'s' if count != 1 else ''}", act, left)]
