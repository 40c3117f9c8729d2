"""What the one who deploys may do, and the one who takes a deployment down: IAM policies, least privilege. Pure.

Actions and the resources they know: https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from mlspec.aws.cli_input import Function, create_api, log_group
from mlspec.aws.ecr import arn, keep_rights, partition, repository_rights

Json = dict[str, Any]
_FUNCTION: Final = (
    "AddPermission", "CreateAlias", "CreateFunction", "CreateFunctionUrlConfig", "DeleteFunctionConcurrency",
    "DeleteFunctionUrlConfig", "DeleteProvisionedConcurrencyConfig", "GetAlias", "GetFunction",
    "GetFunctionConfiguration", "GetFunctionUrlConfig", "GetPolicy", "GetProvisionedConcurrencyConfig",
    "InvokeFunction", "ListVersionsByFunction", "PublishVersion", "PutFunctionConcurrency",
    "PutProvisionedConcurrencyConfig", "RemovePermission", "TagResource", "UpdateAlias", "UpdateFunctionCode",
    "UpdateFunctionConfiguration", "UpdateFunctionUrlConfig",
)  # fmt: skip
_READ_ROLE: Final = ("GetRole", "GetRolePolicy")
_BOUNDED: Final = ("CreateRole", "PutRolePolicy")
"""Writes that IAM can tie to a permissions boundary
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html)."""
_WRITE_ROLE: Final = (*_BOUNDED, "PutRolePermissionsBoundary", "TagRole", "UpdateAssumeRolePolicy")
_LOGS: Final = ("CreateLogGroup", "CreateLogStream", "GetLogEvents", "ListTagsForResource", "PutLogEvents",
                "PutRetentionPolicy", "TagResource")  # fmt: skip


def files(function: Function) -> dict[str, Json]:
    """File name in `lambda/` to its content."""
    made = {"deploy-policy": deploy(function), "destroy-policy": destroy(function)}
    return made | ({"role-admin-policy": role_admin(function)} if function.options.role is None else {})


def deploy(function: Function) -> Json:
    """Create and change this one function and what belongs to it, pass it its role, read its metrics.

    It may write the role only within `permissions_boundary`: who may write any policy into a role that they may pass to
    code of their own is an administrator.
    """
    statements = [
        _on_function("Function", function, _FUNCTION),
        {
            "Sid": "PassRole",
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": function.role,
            "Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
        },
        *_own_role("Role", function, _READ_ROLE),
        *_bounded_role(function),
        *_logs(function, "Logs", _LOGS),
        *([] if function.package.zip else keep_rights(function.ecr)),
        *_by_bucket(function),
        *_api(function, *(("DELETE", "PATCH", "POST", "TagResource") if create_api(function) else ())),
        {"Sid": "Watch", "Effect": "Allow", "Action": "cloudwatch:GetMetricData", "Resource": "*"},
    ]
    if function.options.vpc:  # these actions know no resource
        actions = ["ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs"]
        statements.append({"Sid": "Network", "Effect": "Allow", "Action": actions, "Resource": "*"})
    return _policy(statements)


def destroy(function: Function) -> Json:
    """Look at and remove what `deploy` and `push` made. Nobody needs these rights day by day."""
    looks = ("DeleteFunction", "GetAlias", "GetFunction", "GetFunctionUrlConfig", "ListVersionsByFunction")
    role = ("DeleteRole", "DeleteRolePolicy", "DetachRolePolicy", "GetRole", "ListAttachedRolePolicies",
            "ListRolePolicies")  # fmt: skip
    images = ("DeleteRepository", "DescribeRepositories", "ListImages", "ListTagsForResource")
    return _policy([
        _on_function("Function", function, looks),
        *_own_role("Role", function, role),
        *_logs(function, "Logs", ("DeleteLogGroup", "ListTagsForResource")),
        *_api(function, "DELETE"),
        *([] if function.package.zip else [repository_rights("Repository", function.ecr, images)]),
    ])  # fmt: skip


def role_admin(function: Function) -> Json:
    """Create and change the function's role: for an administrator, once, beside `deploy`."""
    return _policy(_own_role("Role", function, (*_READ_ROLE, *_WRITE_ROLE)))


def _bounded_role(function: Function) -> list[Json]:
    """Create the role and write its policy, as long as the boundary limits it; its trust stays as it was created."""
    boundary = function.options.permissions_boundary
    if boundary is None:
        return []
    condition = {"Condition": {"StringEquals": {"iam:PermissionsBoundary": boundary}}}
    return [
        *[statement | condition for statement in _own_role("BoundedRole", function, _BOUNDED)],
        *_own_role("TagRole", function, ("TagRole",)),
    ]


def _on_function(sid: str, function: Function, actions: Iterable[str]) -> Json:
    resource = [function.arn, f"{function.arn}:*"]
    return {"Sid": sid, "Effect": "Allow", "Action": [f"lambda:{a}" for a in actions], "Resource": resource}


def _own_role(sid: str, function: Function, actions: Iterable[str]) -> list[Json]:
    if function.options.role is not None:
        return []
    return [{"Sid": sid, "Effect": "Allow", "Action": [f"iam:{a}" for a in actions], "Resource": function.role}]


def _logs(function: Function, sid: str, actions: Iterable[str]) -> list[Json]:
    """Looking for a log group is a right on all of them."""
    named = (log_group(function), f"/mlspec/{function.name}")
    groups = [arn(function.ecr, "logs", f"log-group:{name}") for name in named]
    every = arn(function.ecr, "logs", "log-group:*")
    return [
        {
            "Sid": sid,
            "Effect": "Allow",
            "Action": [f"logs:{a}" for a in actions],
            "Resource": [*groups, *(f"{group}:*" for group in groups)],
        },
        {"Sid": "FindLogs", "Effect": "Allow", "Action": "logs:DescribeLogGroups", "Resource": every},
    ]


def _by_bucket(function: Function) -> list[Json]:
    """A large zip is put into a bucket, taken from there by Lambda with the caller's rights, and removed."""
    zipped = function.package.zip
    if zipped is None or zipped.bucket is None:
        return []
    actions = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    resource = f"arn:{partition(function.ecr)}:s3:::{zipped.bucket}/mlspec/{function.name}/*"
    return [{"Sid": "Zip", "Effect": "Allow", "Action": actions, "Resource": resource}]


def _api(function: Function, *actions: str) -> list[Json]:
    """API Gateway's rights are HTTP's methods, on paths. Looking is always needed: an API may be left to remove."""
    region = arn(function.ecr, "apigateway", "").rpartition(":")[0].rpartition(":")[0]
    resource = [f"{region}::/apis", f"{region}::/apis/*", f"{region}::/tags/*"]
    allowed = [f"apigateway:{action}" for action in ("GET", *actions)]
    return [{"Sid": "Api", "Effect": "Allow", "Action": allowed, "Resource": resource}]


def _policy(statements: list[Json]) -> Json:
    return {"Version": "2012-10-17", "Statement": statements}
