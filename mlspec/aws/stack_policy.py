"""IAM policy for a release by CloudFormation: one stack, and what its template creates. Pure.

Actions and the resources they know: https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from mlspec.aws import policies
from mlspec.aws.function_spec import FunctionSpec
from mlspec.aws.policy_document import PolicyDocument, Statement

_STACK: Final = (
    "CreateChangeSet", "DeleteChangeSet", "DescribeChangeSet", "DescribeEvents", "DescribeStackEvents",
    "DescribeStacks", "ExecuteChangeSet", "GetTemplate", "ListStackResources",
)  # fmt: skip
_READ_FUNCTION: Final = ("ListTags", "ListVersionsByFunction", "GetFunctionCodeSigningConfig",
                         "GetFunctionRecursionConfig", "GetRuntimeManagementConfig")  # fmt: skip
_CODEDEPLOY: Final = (
    "BatchGetDeploymentGroups", "CreateApplication", "CreateDeployment", "CreateDeploymentConfig",
    "CreateDeploymentGroup", "DeleteDeploymentConfig", "GetApplication", "GetApplicationRevision", "GetDeployment",
    "GetDeploymentConfig", "GetDeploymentGroup", "ListTagsForResource", "RegisterApplicationRevision",
    "TagResource", "UpdateDeploymentGroup",
)  # fmt: skip


_BUCKET: Final = ("GetBucketLocation", "ListBucket", "ListBucketVersions")
_OBJECTS: Final = ("AbortMultipartUpload", "DeleteObject", "GetObject", "PutObject")
_WHOLE_NAME: Final = 20
"""Characters of a stack's name that CloudFormation surely keeps in the name of a bucket."""


def release(spec: FunctionSpec, stack: str, codedeploy_role: str) -> PolicyDocument:
    """Deploy the stack of that name, and with the same rights what is in it. A change of a role is an administrator's,
    unless `permissions_boundary` limits it. `codedeploy_role` is a role's name, "" without CodeDeploy."""
    base = policies.deploy(spec).statements
    stacks = spec.location.arn("cloudformation", f"stack/{stack}/*")
    macro = f"arn:{spec.location.partition}:cloudformation:{spec.location.region}:aws:transform/Serverless-2016-10-31"
    return PolicyDocument(
        (
            *base,
            Statement(_actions("cloudformation", _STACK), (stacks, macro), "Stack"),
            Statement("cloudformation:GetTemplateSummary", "*", "Template"),
            Statement(_actions("lambda", _READ_FUNCTION), (spec.arn, f"{spec.arn}:*"), "ReadFunction"),
            replace(policies.alarm_rights(spec, ("UntagResource",)), sid="UntagAlarms"),
            *(_by_codedeploy(spec, stack, codedeploy_role) if codedeploy_role else ()),
        )
    )


def serverless_packages(spec: FunctionSpec, stack: str, secrets: Iterable[str]) -> PolicyDocument:
    """What the Serverless Framework needs besides: upload the package to the bucket of the stack, have its template
    validated, and let CloudFormation read `secrets` in AWS Secrets Manager."""
    name, location = stack.lower(), spec.location
    start = name if len(name) <= _WHOLE_NAME else f"{name[:_WHOLE_NAME]}*"
    bucket = f"arn:{location.partition}:s3:::{start}-serverlessdeploymentbuck*"
    stacks = location.arn("cloudformation", f"stack/{stack}/*")
    reads = tuple(location.arn("secretsmanager", f"secret:{secret}-*") for secret in secrets)
    statements = [
        Statement(_actions("s3", _BUCKET), bucket, "Bucket"),
        Statement(_actions("s3", _OBJECTS), f"{bucket}/*", "Packages"),
        Statement("cloudformation:DescribeStackResource", stacks, "StackResource"),
        Statement("cloudformation:ValidateTemplate", "*", "ValidateTemplate"),  # it knows no resource
    ]
    if reads:
        statements.append(Statement(_actions("secretsmanager", ("DescribeSecret", "GetSecretValue")), reads, "Secrets"))
    return PolicyDocument(tuple(statements))


def _by_codedeploy(spec: FunctionSpec, stack: str, role: str) -> Iterable[Statement]:
    """The names of an application, a group and a configuration begin with that of the stack."""
    location, arn = spec.location, spec.location.iam_arn(f"role/{role}")
    kinds = ("application", "deploymentconfig", "deploymentgroup")
    named = tuple(location.arn("codedeploy", f"{kind}:{stack}-*") for kind in kinds)
    aws = location.arn("codedeploy", "deploymentconfig:CodeDeployDefault.*")
    passed = {"StringEquals": {"iam:PassedToService": "codedeploy.amazonaws.com"}}
    yield Statement(_actions("codedeploy", _CODEDEPLOY), (*named, aws), "Rollout")
    yield Statement("iam:PassRole", arn, "PassCodeDeployRole", condition=passed)
    yield Statement("iam:GetRole", arn, "ReadCodeDeployRole")


def _actions(service: str, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{service}:{name}" for name in names)
