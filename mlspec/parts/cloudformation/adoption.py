"""What exists without a stack and `mlspec apply --adopt` takes into one, before its first deployment.

A stack is only a description of what exists at first: the import changes no resource. Permissions cannot be imported;
the deployment adds its own, and those that exist stay.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from mlspec.aws import alias
from mlspec.aws.action import Action
from mlspec.aws.alias import Alias
from mlspec.aws.desired import DesiredFunction, ZipArchive
from mlspec.aws.function import check_owner, read_function
from mlspec.aws.function_resource import Function
from mlspec.aws.http_api import HttpApiProvider
from mlspec.aws.log_group import LogGroupProvider
from mlspec.aws.ownership import check_no_stack
from mlspec.aws.resource_tags import tags
from mlspec.aws.role import RoleProvider
from mlspec.cloudformation.stack_import import ImportedResource, StackImport
from mlspec.errors import StageError
from mlspec.parts.cloudformation import service_resources, stacks
from mlspec.parts.cloudformation.cloudformation_resource import CloudFormationResource
from mlspec.sections.delivery_tool import DIRECT
from mlspec.shipping.deployment import Deployment

IDENTIFIERS: Final[Mapping[str, tuple[str, ...]]] = {
    "AWS::ApiGatewayV2::Api": ("ApiId",),
    "AWS::ApiGatewayV2::Integration": ("ApiId", "IntegrationId"),
    "AWS::ApiGatewayV2::Route": ("ApiId", "RouteId"),
    "AWS::ApiGatewayV2::Stage": ("ApiId", "StageName"),
    "AWS::CloudWatch::Alarm": ("AlarmName",),
    "AWS::ECR::Repository": ("RepositoryName",),
    "AWS::IAM::OIDCProvider": ("Arn",),
    "AWS::IAM::Role": ("RoleName",),
    "AWS::Lambda::Alias": ("AliasArn",),
    "AWS::Lambda::Function": ("FunctionName",),
    "AWS::Lambda::Url": ("FunctionArn",),
    "AWS::Lambda::Version": ("FunctionArn",),
    "AWS::Logs::LogGroup": ("LogGroupName",),
    "AWS::S3::Bucket": ("BucketName",),
    "AWS::S3::BucketPolicy": ("Bucket",),
}
"""What identifies a resource of each type that can be imported: the `primaryIdentifier` of its schema."""
Adopted = tuple[CloudFormationResource, tuple[str, ...]]
"""A resource as a template describes it, and what identifies it in the account."""
_NO_CODE: Final = "# replaced by the first deployment: an import reads no code"
_UNCOMPARED: Final = ("image-tag", "release-history", "version", "alias")
"""Kinds of actions that no resource of the stack is about."""


@dataclass(frozen=True, slots=True)
class ToolTemplate:
    """How a tool's own template describes what `service_resources` describes."""

    ids: Mapping[str, str] = field(default_factory=dict)
    """Its logical ids where they differ."""
    fixed: Mapping[str, Mapping[str, JsonValue]] = field(default_factory=dict)
    """Properties by types that differ, None for one that it leaves out: those that CloudFormation never changes. With
    others than the import's the first deployment would create the resource again, which exists."""


def service_import(desired: DesiredFunction, stack: str, tool: ToolTemplate, zipped: Path) -> StackImport | None:
    """The import of the function and what belongs to it, or of the role and the log groups that one left; None
    where nothing exists. `zipped` is the zip that the first deployment releases, where the package is one.

    Raises StageError for a resource of another project or stack, for a function that is not as the spec describes it,
    and where the first deployment would have no version to publish.
    """
    function = read_function(desired.target, desired.name)
    if function is None:
        return imported(desired, stack, _left(desired), tool)
    check_owner(desired.target, desired.name, desired.spec.arn, desired.project, function)
    check_no_stack(f"lambda function {desired.name}", function.tags, desired.target)
    live = alias.read(desired.target, desired.name, desired.alias)
    _check_adoptable(desired, function, live)
    _check_release(desired, function, zipped)
    assert live, "a function that is as the spec describes it has its alias"
    return imported(desired, stack, [*_left(desired), *_function(desired, function, live)], tool)


def _check_adoptable(desired: DesiredFunction, function: Function, live: Alias | None) -> None:
    name = desired.name
    if live is None or live.other:
        message = f"lambda function {name} has no alias {desired.alias} that sends all traffic to one version"
        raise StageError(message, help="complete its rollout without `iac` first: mlspec apply")
    archive = ZipArchive(Path(), function.sha256) if desired.spec.package.zip is not None else None
    as_it_runs = replace(desired, tool=DIRECT, image=function.image, archive=archive)
    _check_same(one for one in Deployment(as_it_runs).plan().actions if one.kind not in _UNCOMPARED)


def _check_release(desired: DesiredFunction, function: Function, zipped: Path) -> None:
    """Raise StageError where the first deployment would release the code that runs already."""
    name, what = desired.name, "image"
    released, runs = desired.digest, function.digest
    if desired.spec.package.zip is not None:
        if not zipped.is_file():
            raise StageError(f"no zip to release: artifacts/{zipped.name} not found", help="mlspec apply --until image")
        what, runs = "zip", function.sha256
        released = base64.b64encode(hashlib.sha256(zipped.read_bytes()).digest()).decode()
    if released == runs:
        message = f"lambda function {name} runs this {what} already: the first deployment would have nothing to publish"
        raise StageError(message, help=f"take it over with the next release: build another {what} first")


def _check_same(actions: Iterable[Action]) -> None:
    """Raise StageError where a resource is not as the template describes it: an import would not change that, and no
    deployment after it either. Tags are the stack's."""
    differences = [line for action in actions if action.operation != "tag" for line in action.lines()]
    if differences:
        message = "a stack takes over only what is as the spec describes it: " + "; ".join(differences[:5])
        raise StageError(message, help="mlspec apply, without `iac`; then again with it")


def _left(desired: DesiredFunction) -> Iterator[Adopted]:
    """The role and the log groups, where they exist."""
    spec, target = desired.spec, desired.target
    role, resource = spec.role(), service_resources.role(spec)
    if role and resource and (current := RoleProvider(target).read(role.name)):
        _check_same(RoleProvider(target).diff(role, current))  # `diff` refuses another project's
        yield resource, (role.name,)
    both = zip(service_resources.log_groups(spec), (spec.log_group(), spec.history_group()), strict=True)
    for resource, group in both:
        if current_group := LogGroupProvider(target).read(group.name):
            _check_same(LogGroupProvider(target).diff(group, current_group))
            yield resource, (group.name,)


def _function(desired: DesiredFunction, function: Function, live: Alias) -> Iterator[Adopted]:
    """The function, its live version, its alias, its address and its alarms."""
    spec = desired.spec
    variables: dict[str, JsonValue] = {
        name: value for name, value in spec.options.environment.items() if isinstance(value, str)
    }  # a secret does not belong into a template; the deployment sets it
    alias_arn = f"{spec.arn}:{live.name}"
    known = {
        "AWS::Lambda::Function": (desired.name,),
        "AWS::Lambda::Version": (f"{spec.arn}:{live.version}",),
        "AWS::Lambda::Alias": (alias_arn,),
        "AWS::Lambda::Url": (alias_arn,),
        **_api_identifiers(desired),
    }
    code: JsonValue = {"ImageUri": function.image} if function.image else {"ZipFile": _NO_CODE}
    for resource in stacks.service(spec, None, code, variables):
        if resource.type == "AWS::CloudWatch::Alarm":
            yield resource, (str(resource.properties["AlarmName"]),)
        elif resource.type in known:
            yield resource, known[resource.type]


def _api_identifiers(desired: DesiredFunction) -> dict[str, tuple[str, ...]]:
    if desired.spec.api() is None:
        return {}
    provider = HttpApiProvider(desired.target, desired.spec.location, desired.alias, desired.project)
    api = provider.read(desired.name)
    assert api, "a function that is as the spec describes it has its API"
    assert api.integration, "the API is whole"
    assert api.route, "the API is whole"
    return {
        "AWS::ApiGatewayV2::Api": (api.id,),
        "AWS::ApiGatewayV2::Integration": (api.id, api.integration.id),
        "AWS::ApiGatewayV2::Route": (api.id, api.route.id),
        "AWS::ApiGatewayV2::Stage": (api.id, "$default"),
    }


def imported(
    desired: DesiredFunction, stack: str, resources: Iterable[Adopted], tool: ToolTemplate
) -> StackImport | None:
    """The import of these resources into the stack of that name; None without any."""
    taken = tuple(
        ImportedResource(
            tool.ids.get(one.id, one.id), _body(one, tool), dict(zip(IDENTIFIERS[one.type], values, strict=True))
        )
        for one, values in resources
    )
    owned = tags(desired.project, desired.target.owner.source)
    return StackImport(desired.target, stack, taken, owned) if taken else None


def _body(resource: CloudFormationResource, tool: ToolTemplate) -> dict[str, JsonValue]:
    """As the tool describes it. An import creates nothing in an order that its new references would repeat."""
    if (fixed := tool.fixed.get(resource.type)) is not None:
        properties = {name: value for name, value in {**resource.properties, **fixed}.items() if value is not None}
        resource = replace(resource, properties=properties, depends_on=())
    return _renamed(resource.to_json(), tool.ids)


def _renamed(body: dict[str, JsonValue], ids: Mapping[str, str]) -> dict[str, JsonValue]:
    """The body with its references by other logical ids."""
    renamed = {name: _with_ids(value, ids) for name, value in body.items()}
    before = body.get("DependsOn")
    return renamed | ({"DependsOn": [ids.get(str(id), str(id)) for id in before]} if isinstance(before, list) else {})


def _with_ids(value: JsonValue, ids: Mapping[str, str]) -> JsonValue:
    match value:
        case {"Ref": str(id)}:
            return {"Ref": ids.get(id, id)}
        case {"Fn::GetAtt": [str(id), attribute]}:
            return {"Fn::GetAtt": [ids.get(id, id), attribute]}
        case dict():
            return {name: _with_ids(inner, ids) for name, inner in value.items()}
        case list():
            return [_with_ids(inner, ids) for inner in value]
        case _:
            return value
