"""What must exist before an image can be pushed, as CloudFormation resources: repository, OIDC provider, role. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from mlspec.aws.bucket import Bucket
from mlspec.aws.cost_alarm import CostAlarm
from mlspec.aws.ecr import Repository, github_trust
from mlspec.aws.function_spec import FunctionSpec
from mlspec.aws.policy_document import PolicyDocument
from mlspec.aws.resource_tags import tags
from mlspec.parts.ci.data_roles import DataRole
from mlspec.parts.cloudformation.cloudformation_resource import (
    GITHUB_REPOSITORY,
    CloudFormationResource,
    ref,
    substituted,
    tag_list,
    without_empty,
)
from mlspec.sections.ci import Github

CREATE_PROVIDER: Final = "CreateOidcProvider"
"""The condition under which the stack creates GitHub's OIDC provider, and the parameter that decides it."""
BUCKET: Final = "Bucket"
"""The logical id of the bucket with the data and the models."""
_PROVIDER: Final = "GithubOidcProvider"


def repository(desired: Repository) -> CloudFormationResource:
    """The image repository with its policies."""
    encryption: JsonValue = without_empty({"EncryptionType": desired.encryption, "KmsKey": desired.kms_key})
    lifecycle = desired.lifecycle
    properties: dict[str, JsonValue] = {
        "RepositoryName": desired.name,
        "ImageTagMutability": desired.tag_mutability,
        "ImageScanningConfiguration": {"ScanOnPush": desired.scan},
        "EncryptionConfiguration": encryption,
        "LifecyclePolicy": {"LifecyclePolicyText": json.dumps(lifecycle.to_json(), indent=2)} if lifecycle else None,
        "RepositoryPolicyText": substituted(desired.policy.to_json()) if desired.policy else None,
        "Tags": tag_list(desired.tags),
    }
    return CloudFormationResource("Repository", "AWS::ECR::Repository", without_empty(properties), keep=True)


def bucket(desired: Bucket) -> tuple[CloudFormationResource, ...]:
    """The bucket with the data and the models, and its policy. It outlives the stack."""
    rule = dict(desired.encryption_rule)
    encryption: JsonValue = {"ServerSideEncryptionByDefault": rule.pop("ApplyServerSideEncryptionByDefault"), **rule}
    properties: dict[str, JsonValue] = {
        "BucketName": desired.name,
        "OwnershipControls": {"Rules": [{"ObjectOwnership": desired.ownership}]} if desired.ownership else None,
        "PublicAccessBlockConfiguration": dict(desired.public_access or {}),
        "BucketEncryption": {"ServerSideEncryptionConfiguration": [encryption]} if desired.encryption else None,
        "VersioningConfiguration": {"Status": desired.versioning} if desired.versioning else None,
        "LifecycleConfiguration": {"Rules": [_rule(rule) for rule in desired.rules]} if desired.rules else None,
        "Tags": tag_list(desired.tags),
    }
    resources = [CloudFormationResource(BUCKET, "AWS::S3::Bucket", without_empty(properties), keep=True)]
    if desired.policy is not None:
        policy: dict[str, JsonValue] = {"Bucket": ref(BUCKET), "PolicyDocument": desired.policy.to_json()}
        resources.append(CloudFormationResource(f"{BUCKET}Policy", "AWS::S3::BucketPolicy", policy, keep=True))
    return tuple(resources)


def _rule(rule: Mapping[str, JsonValue]) -> JsonValue:
    """A rule of a lifecycle in CloudFormation's form, in which one without a prefix is for all objects."""
    written: dict[str, JsonValue] = {"Id": rule["ID"], "Status": rule["Status"]}
    for name in ("AbortIncompleteMultipartUpload", "NoncurrentVersionExpiration"):
        if name in rule:
            written[name] = rule[name]
    expiration = rule.get("Expiration")
    return {**written, **(expiration if isinstance(expiration, dict) else {})}


def budget(alarm: CostAlarm) -> CloudFormationResource:
    """The monthly budget, and the mails that AWS Budgets sends."""
    subscribers: JsonValue = [{"SubscriptionType": "EMAIL", "Address": address} for address in alarm.addresses]
    notifications: list[JsonValue] = [
        {"Notification": _notification(measured, percent), "Subscribers": subscribers}
        for measured, percent in alarm.thresholds
    ]
    limits: JsonValue = {
        "BudgetName": alarm.name,
        "BudgetType": "COST",
        "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": alarm.dollars, "Unit": "USD"},
        "CostFilters": {"TagKeyValue": [alarm.filter]},
    }
    properties: dict[str, JsonValue] = {
        "Budget": limits,
        "NotificationsWithSubscribers": notifications,
        "ResourceTags": tag_list(alarm.tags),
    }
    return CloudFormationResource("Budget", "AWS::Budgets::Budget", properties)


def _notification(measured: str, percent: int) -> JsonValue:
    return {
        "NotificationType": measured,
        "ComparisonOperator": "GREATER_THAN",
        "Threshold": percent,
        "ThresholdType": "PERCENTAGE",
    }


def oidc_provider(project: str) -> CloudFormationResource:
    """GitHub's OIDC provider. An account has it once, and other projects may use it: it stays."""
    properties: dict[str, JsonValue] = {
        "Url": "https://token.actions.githubusercontent.com",
        "ClientIdList": ["sts.amazonaws.com"],
        "Tags": tag_list(tags(project)),
    }
    type = "AWS::IAM::OIDCProvider"
    return CloudFormationResource(_PROVIDER, type, properties, keep=True, condition=CREATE_PROVIDER)


def _trust(document: PolicyDocument) -> JsonValue:
    """A trust policy whose provider is the stack's own where the stack creates it, which also orders the two."""
    return _by_condition(substituted(document.to_json()))


def _by_condition(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {
            name: {"Fn::If": [CREATE_PROVIDER, ref(_PROVIDER), inner]} if name == "Federated" else _by_condition(inner)
            for name, inner in value.items()
        }
    return [_by_condition(inner) for inner in value] if isinstance(value, list) else value


def release_role(
    spec: FunctionSpec, github: Github, session: int, policies: Mapping[str, PolicyDocument]
) -> CloudFormationResource:
    """The role that the releasing workflow assumes, from one environment of one repository, for `session` seconds."""
    trust = github_trust(spec.location, f"${{{GITHUB_REPOSITORY}}}", github.environment)
    inline: list[JsonValue] = [
        {"PolicyName": name, "PolicyDocument": substituted(document.to_json())} for name, document in policies.items()
    ]
    properties: dict[str, JsonValue] = {
        "RoleName": f"{spec.name}-release",
        "Description": f"Releases {spec.name} from GitHub Actions",
        "MaxSessionDuration": session,
        "AssumeRolePolicyDocument": _trust(trust),
        "Policies": inline,
        "Tags": tag_list(tags(spec.info.name)),
    }
    return CloudFormationResource("ReleaseRole", "AWS::IAM::Role", properties)


def data_role(spec: FunctionSpec, role: DataRole) -> CloudFormationResource:
    """The role with which workflows read the DVC remote, or write to it."""
    inline: list[JsonValue] = [
        {"PolicyName": name, "PolicyDocument": substituted(document.to_json())}
        for name, document in role.policies.items()
    ]
    properties: dict[str, JsonValue] = {
        "RoleName": role.name(spec.name),
        "Description": role.description(spec.name),
        "AssumeRolePolicyDocument": _trust(role.trust),
        "Policies": inline,
        "Tags": tag_list(tags(spec.info.name)),
    }
    id = f"Data{role.access.capitalize()}Role"
    return CloudFormationResource(id, "AWS::IAM::Role", properties)
