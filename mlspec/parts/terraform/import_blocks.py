"""What the modules can take over of an account, as blocks of their `imports.tf`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from mlspec.aws import policies
from mlspec.aws.alarm_settings import MetricAlarm
from mlspec.aws.cost_alarm import cost_alarm
from mlspec.aws.ecr import push_policy
from mlspec.aws.function_spec import FunctionSpec
from mlspec.aws.owned_bucket import bucket_name
from mlspec.aws.policy_document import PolicyDocument
from mlspec.aws.resources import API_STATEMENT, ROLE_POLICY
from mlspec.parts.ci.data_roles import data_roles
from mlspec.sections.budget import CostBudget
from mlspec.sections.ci import Ci
from mlspec.sections.registry import Registry
from mlspec.spec.project import SectionLookup

PROVIDER: Final = "oidc_provider"
"""The import block of GitHub's OIDC provider."""
RELEASE_ROLE: Final = "release_role"
BUCKET_PARTS: Final[Mapping[str, str]] = {
    "ownership": "ownership_controls",
    "public_access": "public_access_block",
    "encryption": "server_side_encryption_configuration",
    "versioning": "versioning",
    "rules": "lifecycle_configuration",
    "policy": "policy",
}
"""Settings of a bucket that are resources of their own in Terraform: the field of Bucket, and the rest of the type."""


class Import(NamedTuple):
    """A resource that Terraform can take over: the name of its import block, its address in the module, and its id.

    Parts of the id that only the account knows are in capitals.
    """

    name: str
    to: str
    id: str


def service_imports(spec: FunctionSpec) -> tuple[Import, ...]:
    """What the service takes over: all that `mlspec apply` creates directly."""
    name, alias = spec.name, spec.options.alias
    service = [
        Import("role", "aws_iam_role.this", name),
        Import("role_policy", "aws_iam_role_policy.this", f"{name}:{ROLE_POLICY}"),
        Import("log_group", "aws_cloudwatch_log_group.function", spec.log_group_name),
        Import("release_log_group", "aws_cloudwatch_log_group.releases", spec.history_group().name),
        Import("function", "aws_lambda_function.this", name),
        Import("alias", "aws_lambda_alias.this", f"{name}/{alias}"),
        Import("function_url", "aws_lambda_function_url.this", f"{name}/{alias}"),
        Import("provisioned_concurrency", "aws_lambda_provisioned_concurrency_config.this", f"{name},{alias}"),
    ]
    if spec.api():
        service += _api_imports(name, alias)
    service += [alarm_import(one) for one in spec.alarms()]
    absent = set[str]()
    absent |= set() if spec.role() else {"role", "role_policy"}
    absent |= set() if spec.url() else {"function_url"}
    absent |= set() if spec.provisioned() else {"provisioned_concurrency"}
    return tuple(one for one in service if one.name not in absent)


def foundation_imports(project: SectionLookup, spec: FunctionSpec) -> tuple[Import, ...]:
    """What the foundation takes over: the repository, and what administrators or other tools created of the rest."""
    budget = cost_alarm(project.get(CostBudget), spec.name, spec.info.name)
    return (
        *(_repository_imports(spec.repository) if project.get(Registry) is not None else ()),
        *(_bucket_imports(bucket) if (bucket := bucket_name(project)) else ()),
        *(_github_imports(project, spec) if project.get(Ci) is not None else ()),
        *((Import("budget", "aws_budgets_budget.this", f"ACCOUNT:{budget.name}"),) if budget else ()),
    )


def _bucket_imports(name: str) -> Iterator[Import]:
    yield Import("bucket", "aws_s3_bucket.this", name)
    for part, type in BUCKET_PARTS.items():
        yield Import(f"bucket_{part}", f"aws_s3_bucket_{type}.this", name)


def _github_imports(project: SectionLookup, spec: FunctionSpec) -> Iterator[Import]:
    yield Import(PROVIDER, "aws_iam_openid_connect_provider.github[0]", "ARN")
    yield from _role_imports("release", f"{spec.name}-release", release_policies(spec, project.get(Registry)))
    for role in data_roles(project, spec.location, "OWNER/NAME"):
        yield from _role_imports(f"data_{role.access}", role.name(spec.name), role.policies)


def _role_imports(key: str, role: str, policies: Mapping[str, object]) -> Iterator[Import]:
    """A role, and the policies in it."""
    yield Import(f"{key}_role", f"aws_iam_role.{key}", role)
    for policy in policies:
        address = policy if key == "release" else f"{key}_{policy}"
        yield Import(f"{key}_role_{policy}", f"aws_iam_role_policy.{address}", f"{role}:{policy}")


def release_policies(spec: FunctionSpec, registry: Registry | None) -> dict[str, PolicyDocument]:
    """What the releasing role may do: push and deliver, but change no infrastructure."""
    documents = {"deliver": policies.deliver(spec)}
    if registry is not None and spec.package.zip is None:
        push = push_policy(registry.ecr, spec.location, settle=False)
        documents = {"push": push, **documents}
    return documents


def alarm_import(alarm: MetricAlarm) -> Import:
    """That of one alarm."""
    return Import(f"alarm_{alarm.measure}", f"aws_cloudwatch_metric_alarm.{alarm.measure}", alarm.name)


def _api_imports(name: str, alias: str) -> tuple[Import, ...]:
    return (
        Import("api", "aws_apigatewayv2_api.this", "API"),
        Import("api_integration", "aws_apigatewayv2_integration.this", "API/INTEGRATION"),
        Import("api_route", "aws_apigatewayv2_route.this", "API/ROUTE"),
        Import("api_stage", "aws_apigatewayv2_stage.this", "API/$default"),
        Import("api_permission", "aws_lambda_permission.api", f"{name}:{alias}/{API_STATEMENT}"),
    )


def _repository_imports(name: str) -> tuple[Import, ...]:
    return (
        Import("repository", "aws_ecr_repository.this", name),
        Import("lifecycle_policy", "aws_ecr_lifecycle_policy.this", name),
        Import("repository_policy", "aws_ecr_repository_policy.this", name),
    )
