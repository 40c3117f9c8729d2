"""IAM policies for deploying and for removing a deployment, least privilege. Pure.

Actions and the resources they know: https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from pydantic import JsonValue

from mlspec.aws.aws_location import AwsLocation
from mlspec.aws.bucket import removal_rights
from mlspec.aws.ecr import keep_rights, repository_rights
from mlspec.aws.function_spec import FunctionSpec
from mlspec.aws.policy_document import PolicyDocument, Statement
from mlspec.aws.resources import history_group

_FUNCTION: Final = (
    "AddPermission", "CreateAlias", "CreateFunction", "CreateFunctionUrlConfig", "DeleteFunctionConcurrency",
    "DeleteFunctionUrlConfig", "DeleteProvisionedConcurrencyConfig", "GetAlias", "GetFunction",
    "GetFunctionConfiguration", "GetFunctionUrlConfig", "GetPolicy", "GetProvisionedConcurrencyConfig",
    "InvokeFunction", "ListVersionsByFunction", "PublishVersion", "PutFunctionConcurrency",
    "PutProvisionedConcurrencyConfig", "RemovePermission", "TagResource", "UpdateAlias", "UpdateFunctionCode",
    "UpdateFunctionConfiguration", "UpdateFunctionUrlConfig",
)  # fmt: skip
_DELIVER: Final = (
    "GetAlias", "GetFunction", "GetFunctionConfiguration", "GetFunctionUrlConfig", "GetPolicy", "InvokeFunction",
    "ListVersionsByFunction", "PublishVersion", "UpdateAlias", "UpdateFunctionCode",
)  # fmt: skip
_PERMIT: Final = ("AddPermission", "RemovePermission")
_READ_ROLE: Final = ("GetRole", "GetRolePolicy")
_BOUNDED: Final = ("CreateRole", "PutRolePolicy")
"""Writes that IAM can tie to a permissions boundary
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html)."""
_WRITE_ROLE: Final = (*_BOUNDED, "PutRolePermissionsBoundary", "TagRole", "UpdateAssumeRolePolicy")
_LOGS: Final = ("CreateLogGroup", "CreateLogStream", "GetLogEvents", "ListTagsForResource", "PutLogEvents",
                "PutRetentionPolicy", "TagResource")  # fmt: skip

_ALARMS: Final = ("DeleteAlarms", "ListTagsForResource", "PutMetricAlarm", "TagResource")


def files(spec: FunctionSpec, bucket: str = "") -> dict[str, dict[str, JsonValue]]:
    """File name in `lambda/` to its content. `bucket` is the name of the one that mlspec creates, "" for none."""
    policies = {"deploy-policy": deploy(spec), "destroy-policy": destroy(spec, bucket)}
    if spec.options.role is None:
        policies["role-admin-policy"] = role_admin(spec)
    return {name: policy.to_json() for name, policy in policies.items()}


def deploy(spec: FunctionSpec) -> PolicyDocument:
    """Create and change this one function and what belongs to it, pass it its role, read its metrics.

    It may write the role only within `permissions_boundary`: a right to write any policy into a role and pass it to
    own code is that of an administrator.
    """
    passed = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    statements = [
        _on_function("Function", spec, _FUNCTION),
        Statement("iam:PassRole", spec.role_arn, "PassRole", condition=passed),
        *_own_role("Role", spec, _READ_ROLE),
        *_bounded_role(spec),
        *_logs(spec, "Logs", _LOGS),
        *([] if spec.package.zip else keep_rights(spec.location, spec.repository)),
        *_by_bucket(spec),
        *_api(spec, *(("DELETE", "PATCH", "POST", "PUT") if spec.api() else ())),  # PUT sets tags
        alarm_rights(spec, _ALARMS),
        _find_alarms(spec),
        Statement("cloudwatch:GetMetricData", "*", "Watch"),
    ]
    if spec.options.vpc:  # these actions know no resource
        statements.append(
            Statement(("ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs"), "*", "Network")
        )
    return PolicyDocument(tuple(statements))


def deliver(spec: FunctionSpec) -> PolicyDocument:
    """Give the function new code, publish it and move the alias to it, read its metrics. All else is another tool's."""
    url = spec.url()
    public = _PERMIT if url is not None and url.auth == "NONE" else ()
    statements = [
        _on_function("Function", spec, (*_DELIVER, *public)),
        *_logs(spec, "Logs", ("CreateLogStream", "GetLogEvents", "PutLogEvents")),
        *([] if spec.package.zip else keep_rights(spec.location, spec.repository)),
        *_by_bucket(spec),
        *(_api(spec) if spec.api() else ()),  # its address
        Statement("cloudwatch:GetMetricData", "*", "Watch"),
    ]
    return PolicyDocument(tuple(statements))


def destroy(spec: FunctionSpec, bucket: str = "") -> PolicyDocument:
    """Read and remove what `deploy` and `push` created. These rights are not needed day by day."""
    reads = ("DeleteFunction", "GetAlias", "GetFunction", "GetFunctionUrlConfig", "ListVersionsByFunction")
    role = (
        "DeleteRole",
        "DeleteRolePolicy",
        "DetachRolePolicy",
        "GetRole",
        "ListAttachedRolePolicies",
        "ListRolePolicies",
    )
    repository = "" if spec.package.zip else spec.repository
    return PolicyDocument(
        (
            _on_function("Function", spec, reads),
            *_own_role("Role", spec, role),
            *_logs(spec, "Logs", ("DeleteLogGroup", "ListTagsForResource")),
            *_api(spec, *(("DELETE",) if spec.api() else ())),
            alarm_rights(spec, ("DeleteAlarms", "ListTagsForResource")),
            _find_alarms(spec),
            *_removed_data(spec.location, repository, bucket),
            _FIND,
        )
    )


def destroy_data(location: AwsLocation, repository: str, bucket: str) -> PolicyDocument:
    """The same for a spec without a function: remove its repository and its bucket, "" for none."""
    running = Statement("lambda:GetFunction", location.arn("lambda", "function:*"), "Running")
    return PolicyDocument((*([running] if repository else []), *_removed_data(location, repository, bucket), _FIND))


def _removed_data(location: AwsLocation, repository: str, bucket: str) -> list[Statement]:
    images = ("DeleteRepository", "DescribeRepositories", "ListImages", "ListTagsForResource")
    return [
        *([repository_rights("Repository", location, repository, images)] if repository else []),
        *([removal_rights(location.partition, bucket)] if bucket else []),
    ]


_FIND: Final = Statement("tag:GetResources", "*", "Find")
"""What an earlier spec created is found by its tags. This action knows no resource."""


def role_admin(spec: FunctionSpec) -> PolicyDocument:
    """Create and change the function's role: for an administrator, once, beside `deploy`."""
    return PolicyDocument(tuple(_own_role("Role", spec, (*_READ_ROLE, *_WRITE_ROLE))))


def _bounded_role(spec: FunctionSpec) -> list[Statement]:
    """Create the role and write its policy, as long as the boundary limits it; its trust stays as it was created."""
    boundary = spec.options.permissions_boundary
    if boundary is None:
        return []
    condition = {"StringEquals": {"iam:PermissionsBoundary": boundary}}
    return [
        *(replace(statement, condition=condition) for statement in _own_role("BoundedRole", spec, _BOUNDED)),
        *_own_role("TagRole", spec, ("TagRole",)),
    ]


def alarm_rights(spec: FunctionSpec, actions: Iterable[str]) -> Statement:
    """Rights on the alarms whose names begin with those of the function and its alias."""
    alarm = spec.location.arn("cloudwatch", f"alarm:{spec.name}-{spec.options.alias}-*")
    return Statement(tuple(f"cloudwatch:{action}" for action in actions), alarm, "Alarms")


def _find_alarms(spec: FunctionSpec) -> Statement:
    """Reading alarms is a right on all of them: AWS's refusals name `alarm:*`, and whether it compares the names in a
    request is not documented (https://github.com/aws-samples/amazon-cloudwatch-auto-alarms/issues/1)."""
    return Statement("cloudwatch:DescribeAlarms", spec.location.arn("cloudwatch", "alarm:*"), "FindAlarms")


def _on_function(sid: str, spec: FunctionSpec, actions: Iterable[str]) -> Statement:
    return Statement(tuple(f"lambda:{action}" for action in actions), (spec.arn, f"{spec.arn}:*"), sid)


def _own_role(sid: str, spec: FunctionSpec, actions: Iterable[str]) -> list[Statement]:
    if spec.options.role is not None:
        return []
    return [Statement(tuple(f"iam:{action}" for action in actions), spec.role_arn, sid)]


def _logs(spec: FunctionSpec, sid: str, actions: Iterable[str]) -> list[Statement]:
    """Listing log groups is a right on all of them."""
    names = (spec.log_group_name, history_group(spec.name))
    groups = [spec.location.arn("logs", f"log-group:{name}") for name in names]
    on = (*groups, *(f"{group}:*" for group in groups))
    return [
        Statement(tuple(f"logs:{action}" for action in actions), on, sid),
        Statement("logs:DescribeLogGroups", spec.location.arn("logs", "log-group:*"), "FindLogs"),
    ]


def _by_bucket(spec: FunctionSpec) -> list[Statement]:
    """A large zip is put into a bucket, read from there by Lambda with the deployer's rights, and removed."""
    zipped = spec.package.zip
    if zipped is None or zipped.bucket is None:
        return []
    actions = ("s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject")
    resource = f"arn:{spec.location.partition}:s3:::{zipped.bucket}/mlspec/{spec.name}/*"
    return [Statement(actions, resource, "Zip"), *spec.upload]


def _api(spec: FunctionSpec, *actions: str) -> list[Statement]:
    """API Gateway's rights are HTTP's methods, on paths. GET is always needed: an API may be left to report.

    The paths have the id that AWS chooses at creation. A condition on tags is not used: AWS documents it for REST APIs,
    and not what it does to integrations, routes and stages of an HTTP API, which have no tags when they are created
    (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-tagging-iam-policy.html).
    """
    region = f"arn:{spec.location.partition}:apigateway:{spec.location.region}"
    resource = (f"{region}::/apis", f"{region}::/apis/*", f"{region}::/tags/*")
    return [Statement(tuple(f"apigateway:{action}" for action in ("GET", *actions)), resource, "Api")]
