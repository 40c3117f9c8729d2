"""What `mlspec apply` creates directly: the requests of its plan for an empty account."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from mlspec.aws import code_upload
from mlspec.aws.account import located
from mlspec.aws.action import Action, ResourceKind
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.desired import DesiredFunction, ZipArchive, desired_function
from mlspec.aws.ecr import ecr_location
from mlspec.aws.owned_bucket import owned_bucket
from mlspec.sections.package import Package
from mlspec.sections.registry import Registry
from mlspec.shipping import bucket_changes, image_push
from mlspec.shipping.deployment import Deployment
from mlspec.spec.project import Project
from tests.scenarios.equivalence.canonical import (
    API,
    ARCHIVE,
    ARCHIVE_FILE,
    DIGEST,
    VERSION,
    CanonicalResource,
    archived,
    canonical,
)

Arguments = Mapping[str, JsonValue]


def direct(project: Project, target: AwsTarget, folder: Path) -> list[CanonicalResource]:
    """The resources that a deployment to that empty account creates."""
    registry, actions = project.get(Registry), []
    if registry is not None:
        location = located(target, ecr_location(registry.ecr))
        actions += image_push.repository_actions(target, location, project)
    archive = _archive(folder) if project.need(Package).zip else None
    desired = desired_function(replace(target, registry=""), project, DIGEST, archive)
    return _in_order([*_bucket(project, target), *_repository(actions), *_deployment(desired)])


def _archive(folder: Path) -> ZipArchive:
    file = folder / ARCHIVE_FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(ARCHIVE)
    return ZipArchive(file, base64.b64encode(hashlib.sha256(ARCHIVE).digest()).decode())


def _bucket(project: Project, target: AwsTarget) -> Iterator[CanonicalResource]:
    """The settings of one bucket, each of a request of its own."""
    if owned_bucket(project) is None:
        return
    provider, desired = bucket_changes.desired(project, target)
    whole: dict[str, JsonValue] = {}
    for action in provider.diff(desired, None):
        whole |= action.arguments
    tags = _in(whole.pop("CreateBucketConfiguration"), "Tags")  # the region is that of the stack elsewhere
    policy = whole.pop("Policy")
    name, owner = str(whole.pop("Bucket")), whole.pop("ObjectOwnership")
    [encryption] = _in(whole.pop("ServerSideEncryptionConfiguration"), "Rules")
    properties: dict[str, JsonValue] = {
        **whole,
        "OwnershipControls": {"Rules": [{"ObjectOwnership": owner}]},
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [
                {"ServerSideEncryptionByDefault": encryption.pop("ApplyServerSideEncryptionByDefault"), **encryption}
            ]
        },
        "LifecycleConfiguration": {"Rules": [_rule(one) for one in _in(whole["LifecycleConfiguration"], "Rules")]},
        "Tags": list[JsonValue](tags),
    }
    yield canonical("AWS::S3::Bucket", name, properties)
    yield canonical("AWS::S3::BucketPolicy", name, {"PolicyDocument": policy})


def _in(value: JsonValue, name: str) -> list[dict[str, JsonValue]]:
    assert isinstance(value, dict)
    listed = value[name]
    assert isinstance(listed, list)
    return [one for one in listed if isinstance(one, dict)]


def _rule(given: Arguments) -> JsonValue:
    """A rule of a lifecycle by the names of CloudFormation."""
    assert given["Filter"] == {"Prefix": ""}, "it is for all objects"
    expiration = given.get("Expiration")
    expired = expiration if isinstance(expiration, dict) else {}
    return {"Id": given["ID"], **_without(given, "ID", "Filter", "Expiration"), **expired}


def _in_order(resources: Sequence[CanonicalResource]) -> list[CanonicalResource]:
    """The requests are sent one after the other."""
    keys = [(one.type, one.name) for one in resources]
    return [replace(one, after=frozenset(keys[:number])) for number, one in enumerate(resources)]


def _repository(actions: list[Action]) -> Iterator[CanonicalResource]:
    """The parts of one repository, each of a request of its own."""
    whole: dict[str, JsonValue] = {}
    for action in actions:
        whole |= action.arguments
    if whole:
        properties = {name[0].upper() + name[1:]: _pascal(value) for name, value in whole.items()}
        properties["LifecyclePolicy"] = {"LifecyclePolicyText": whole["lifecyclePolicyText"]}
        properties["RepositoryPolicyText"] = properties.pop("PolicyText", None)
        del properties["LifecyclePolicyText"]
        yield canonical("AWS::ECR::Repository", str(properties.pop("RepositoryName")), properties)


def _pascal(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {name[0].upper() + name[1:]: inner for name, inner in value.items()}
    return value


def _deployment(desired: DesiredFunction) -> Iterator[CanonicalResource]:
    concurrency: dict[str, JsonValue] = {}
    provisioned: dict[str, JsonValue] = {}
    actions = Deployment(desired).plan().actions
    for action in actions:
        if action.kind == "reserved-concurrency":
            concurrency = {"ReservedConcurrentExecutions": action.arguments["ReservedConcurrentExecutions"]}
        if action.kind == "provisioned-concurrency":
            number = action.arguments["ProvisionedConcurrentExecutions"]
            provisioned = {"ProvisionedConcurrencyConfig": {"ProvisionedConcurrentExecutions": number}}
    for action in actions:
        if action.kind == "function":
            given = {**action.arguments, **concurrency, "Code": _code(desired)}
            given["Environment"] = {"Variables": dict(desired.variables)}
            yield canonical("AWS::Lambda::Function", desired.name, _without(given, "FunctionName", "Publish"))
        elif action.kind == "alias":
            given = {**action.arguments, **provisioned, "FunctionVersion": VERSION}
            left = _without(given, "FunctionName", "RoutingConfig")
            yield canonical("AWS::Lambda::Alias", f"{desired.name}:{given['Name']}", left)
        elif action.kind in _KINDS:
            yield from _KINDS[action.kind](action.arguments, desired)


def _code(desired: DesiredFunction) -> dict[str, JsonValue]:
    """What the request that creates the function has as its code."""
    with code_upload.code(desired) as code:
        content = code.get("ZipFile")
    return archived(content) if isinstance(content, bytes) else {"ImageUri": desired.image}


def _role(given: Arguments, desired: DesiredFunction) -> Iterator[CanonicalResource]:
    policy: JsonValue = {"PolicyName": given["PolicyName"], "PolicyDocument": given["PolicyDocument"]}
    properties = {**_without(given, "RoleName", "PolicyName", "PolicyDocument"), "Policies": [policy]}
    yield canonical("AWS::IAM::Role", str(given["RoleName"]), properties)


def _log_group(given: Arguments, desired: DesiredFunction) -> Iterator[CanonicalResource]:
    properties = {"RetentionInDays": given["retentionInDays"], "Tags": given["tags"]}
    yield canonical("AWS::Logs::LogGroup", str(given["logGroupName"]), properties)


def _version(given: Arguments, desired: DesiredFunction) -> Iterator[CanonicalResource]:
    yield canonical("AWS::Lambda::Version", desired.name, {})


def _url(given: Arguments, desired: DesiredFunction) -> Iterator[CanonicalResource]:
    name = f"{given['FunctionName']}:{given['Qualifier']}"
    yield canonical("AWS::Lambda::Url", name, _without(given, "FunctionName", "Qualifier"))


def _permission(given: Arguments, desired: DesiredFunction) -> Iterator[CanonicalResource]:
    alias = f"{given['FunctionName']}:{given['Qualifier']}"
    name = f"{alias} {given['Action']} by {given['Principal']}"
    properties = _without(given, "FunctionName", "Qualifier")
    if "SourceArn" in properties:
        properties["SourceArn"] = str(properties["SourceArn"]).replace("(known after apply)", API)
    yield canonical("AWS::Lambda::Permission", name, properties)


def _http_api(given: Arguments, desired: DesiredFunction) -> Iterator[CanonicalResource]:
    name = str(given["Name"])
    own = ("ProtocolType", "Tags", "CorsConfiguration")
    yield canonical("AWS::ApiGatewayV2::Api", name, {key: given[key] for key in own if key in given})
    integration = ("IntegrationType", "PayloadFormatVersion", "IntegrationUri")
    yield canonical("AWS::ApiGatewayV2::Integration", name, {key: given[key] for key in integration})
    yield canonical("AWS::ApiGatewayV2::Route", f"{name} $default", {"AuthorizationType": given["AuthorizationType"]})
    yield canonical("AWS::ApiGatewayV2::Stage", f"{name} $default", {"AutoDeploy": True})


def _alarm(given: Arguments, desired: DesiredFunction) -> Iterator[CanonicalResource]:
    yield canonical("AWS::CloudWatch::Alarm", str(given["AlarmName"]), _without(given, "AlarmName"))


_KINDS: Final[Mapping[ResourceKind, Callable[[Arguments, DesiredFunction], Iterator[CanonicalResource]]]] = {
    "role": _role,
    "log-group": _log_group,
    "version": _version,
    "function-url": _url,
    "permission": _permission,
    "http-api": _http_api,
    "alarm": _alarm,
}


def _without(given: Arguments, *names: str) -> dict[str, JsonValue]:
    return {name: value for name, value in given.items() if name not in names}
