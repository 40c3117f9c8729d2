"""What exists in the account and is not in Terraform's state: the project's own is taken over, all else refused."""

from __future__ import annotations

from collections.abc import Iterator

from mlspec.aws import alias
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.concurrency import ProvisionedConcurrencyProvider
from mlspec.aws.desired import DesiredFunction, Spec
from mlspec.aws.function import check_owner, read_function
from mlspec.aws.function_url import FunctionUrlProvider
from mlspec.aws.github_release import own_github_provider
from mlspec.aws.http_api import HttpApiProvider
from mlspec.aws.log_group import LogGroupProvider
from mlspec.aws.metric_alarm import MetricAlarmProvider, desired_alarms
from mlspec.aws.ownership import check_no_stack, check_ownership
from mlspec.aws.repository import RepositoryProvider
from mlspec.aws.resources import HttpApi
from mlspec.aws.role import RoleProvider
from mlspec.parts.terraform.import_blocks import (
    BUCKET_PARTS,
    PROVIDER,
    Import,
    alarm_import,
    foundation_imports,
    service_imports,
)
from mlspec.parts.terraform.modules import FOUNDATION
from mlspec.shipping.existing_foundation import existing_bucket, existing_role, has_own_budget


def to_adopt(spec: Spec, desired: DesiredFunction, module: str, state: frozenset[str]) -> dict[str, str]:
    """Ids by the names of the import blocks. Raises StageError for a resource of another project."""
    known = foundation_imports(spec, desired.spec) if module == FOUNDATION else service_imports(desired.spec)
    missing = {one.name: one for one in known if one.to not in state}
    if not missing:
        return {}
    existing = _foundation(spec, desired, missing) if module == FOUNDATION else _service(desired, missing)
    return {name: id for name, id in existing if name in missing}


def _foundation(spec: Spec, desired: DesiredFunction, missing: dict[str, Import]) -> Iterator[tuple[str, str]]:
    if "repository" in missing:
        yield from _repository(desired, missing)
    if "bucket" in missing and (bucket := existing_bucket(spec, desired)):
        yield "bucket", bucket.name
        yield from ((f"bucket_{part}", bucket.name) for part in BUCKET_PARTS if getattr(bucket, part))
    roles = {name.removesuffix("_role"): one.id for name, one in missing.items() if name.endswith("_role")}
    for key, role in roles.items():
        yield from ((name, missing[name].id) for name in existing_role(desired, key, role) if name in missing)
    if PROVIDER in missing and (arn := own_github_provider(desired.target, desired.project)):
        yield PROVIDER, arn
    if "budget" in missing and has_own_budget(desired):
        yield "budget", f"{desired.spec.location.account}:{desired.name}"


def _repository(desired: DesiredFunction, missing: dict[str, Import]) -> Iterator[tuple[str, str]]:
    repository = RepositoryProvider(desired.target).read(desired.spec.repository)
    if repository is None:
        return
    command = f"aws ecr tag-resource --resource-arn {repository.arn} --tags Key={{}},Value={{}}"
    check_ownership(
        f"ecr repository {repository.name}", repository.tags, desired.project, command, desired.target.owner
    )
    parts = {"repository": True, "lifecycle_policy": repository.lifecycle, "repository_policy": repository.policy}
    for name, part in parts.items():
        if part and name in missing:
            yield name, missing[name].id


def _service(desired: DesiredFunction, missing: dict[str, Import]) -> Iterator[tuple[str, str]]:
    target, spec = desired.target, desired.spec
    yield from ((name, missing[name].id) for name in _role(desired) if name in missing)
    groups = {"log_group": spec.log_group(), "release_log_group": spec.history_group()}
    for name, group in groups.items():
        provider = LogGroupProvider(target)
        if name in missing and (current := provider.read(group.name)):
            provider.diff(group, current)  # refuses another project's
            yield name, missing[name].id
    yield from _alarms(desired)
    function = read_function(target, spec.name)
    if function is None:
        return
    check_owner(target, spec.name, spec.arn, desired.project, function)
    check_no_stack(f"lambda function {spec.name}", function.tags, target)
    existing = {
        "function": function,
        "alias": alias.read(target, spec.name, desired.alias),
        "function_url": FunctionUrlProvider(target, desired.alias).read(spec.name),
        "provisioned_concurrency": ProvisionedConcurrencyProvider(target, desired.alias).read(spec.name),
    }
    yield from ((name, missing[name].id) for name, part in existing.items() if part and name in missing)
    if "api" in missing or "api_stage" in missing:
        yield from _api(target, desired)


def _alarms(desired: DesiredFunction) -> Iterator[tuple[str, str]]:
    alarms = desired.spec.alarms()
    provider = MetricAlarmProvider(desired.target, desired.alias, desired.project)
    existing = provider.read(desired.name) if alarms else {}
    known = {name: one for name, one in desired_alarms(alarms).items() if name in existing}
    provider.diff(known, existing)  # refuses another project's
    yield from ((one.name, one.id) for one in map(alarm_import, alarms) if one.id in existing)


def _role(desired: DesiredFunction) -> Iterator[str]:
    spec = desired.spec
    provider, role = RoleProvider(desired.target), spec.role()
    current = provider.read(role.name) if role else None
    if current is None:
        return
    provider.diff(role, current)  # refuses another project's
    yield "role"
    if current.rights is not None:
        yield "role_policy"


def _api(target: AwsTarget, desired: DesiredFunction) -> Iterator[tuple[str, str]]:
    spec = desired.spec
    api = HttpApiProvider(target, spec.location, desired.alias, desired.project).read(spec.name)
    if api is None:
        return
    yield "api", api.id
    yield from _api_parts(api)
    if api.permission:
        yield "api_permission", f"{spec.name}:{desired.alias}/{api.permission.sid}"


def _api_parts(api: HttpApi) -> Iterator[tuple[str, str]]:
    if api.integration:
        yield "api_integration", f"{api.id}/{api.integration.id}"
    if api.route:
        yield "api_route", f"{api.id}/{api.route.id}"
    if api.stage:
        yield "api_stage", f"{api.id}/$default"
