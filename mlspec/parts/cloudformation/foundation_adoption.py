"""What a new foundation stack takes over: repository, bucket, roles for GitHub, and the project's OIDC provider.

The import changes nothing: each resource is described as it is, and the first deployment brings it to the template.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from pydantic import JsonValue

from mlspec.aws.cost_alarm import cost_alarm
from mlspec.aws.desired import DesiredFunction, Spec
from mlspec.aws.github_release import own_github_provider
from mlspec.aws.ownership import check_ownership
from mlspec.aws.repository import RepositoryProvider
from mlspec.cloudformation.stack_import import StackImport
from mlspec.cloudformation.stack_template import StackTemplate
from mlspec.errors import StageError
from mlspec.parts.ci.data_roles import data_roles
from mlspec.parts.cloudformation import foundation_resources
from mlspec.parts.cloudformation.adoption import Adopted, ToolTemplate, imported
from mlspec.parts.cloudformation.cloudformation_resource import CloudFormationResource, without_empty
from mlspec.sections.budget import CostBudget
from mlspec.sections.ci import Ci
from mlspec.shipping.existing_foundation import check_role, existing_bucket, has_own_budget

PROVIDER: Final = "GithubOidcProvider"
"""The logical id of GitHub's OIDC provider."""


def foundation_import(spec: Spec, desired: DesiredFunction, stack: str) -> StackImport | None:
    """The import of what exists; None where nothing does. Raises StageError for what is another project's."""
    check_budget(spec, desired)
    existing = [*_repository(desired), *_bucket(spec, desired), *_roles(spec, desired), *_provider(spec, desired)]
    return imported(desired, stack, existing, ToolTemplate())


def check_bucket(spec: Spec, desired: DesiredFunction, current: StackTemplate | None) -> None:
    """Raise StageError for a bucket that exists and that the stack would create. `current` is the template of the
    stack, None of a new one."""
    if current is not None and foundation_resources.BUCKET in current.resources:
        return
    bucket = existing_bucket(spec, desired)
    if bucket is None:
        return
    message = f"s3 bucket {bucket.name} exists already and is not in the stack: CloudFormation cannot create it"
    adopt = "take it over: mlspec apply --adopt"
    if current is not None:
        adopt = f"give up the stack and keep its resources (mlspec destroy --keep-resources), then {adopt}"
    raise StageError(message, help=f"{adopt}; or use it as it is: remove the section `bucket`")


def check_budget(spec: Spec, desired: DesiredFunction) -> None:
    """Raise StageError for a monthly budget that exists: CloudFormation imports none."""
    alarm = cost_alarm(spec.get(CostBudget), desired.name, desired.project)
    if alarm is None or not has_own_budget(desired):
        return
    command = f"aws budgets delete-budget --account-id {desired.spec.location.account} --budget-name {alarm.name}"
    message = f"the AWS budget {alarm.name} exists already, and CloudFormation can neither create nor take it over"
    raise StageError(message, help=f"delete it, the stack creates it again (AWS keeps what was spent): {command}")


def existing_roles(spec: Spec, desired: DesiredFunction) -> dict[str, str]:
    """Names of the roles that a new stack would create and that exist, by their logical ids. Raises StageError for one
    of another project."""
    if spec.get(Ci) is None:
        return {}
    names = {"ReleaseRole": f"{desired.name}-release"}
    for role in data_roles(spec, desired.spec.location, "OWNER/NAME"):
        names[f"Data{role.access.capitalize()}Role"] = role.name(desired.name)
    return {id: name for id, name in names.items() if check_role(desired, name)}


def _repository(desired: DesiredFunction) -> Iterator[Adopted]:
    name = desired.spec.repository
    current = RepositoryProvider(desired.target).read(name) if name else None
    if current is not None:
        command = f"aws ecr tag-resource --resource-arn {current.arn} --tags Key={{}},Value={{}}"
        check_ownership(f"ecr repository {name}", current.tags, desired.project, command, desired.target.owner)
        yield foundation_resources.repository(current), (name,)


def _bucket(spec: Spec, desired: DesiredFunction) -> Iterator[Adopted]:
    """As it is, with its own tags: those of AWS are no part of a template."""
    current = existing_bucket(spec, desired)
    if current is not None:
        tags = {name: value for name, value in current.tags.items() if not name.startswith("aws:")}
        for resource in foundation_resources.bucket(replace(current, tags=tags)):
            yield resource, (current.name,)


def _roles(spec: Spec, desired: DesiredFunction) -> Iterator[Adopted]:
    client = desired.target.client("iam")
    for id, name in existing_roles(spec, desired).items():
        role = client.get_role(RoleName=name)["Role"]
        policies: list[JsonValue] = [
            {
                "PolicyName": policy,
                "PolicyDocument": client.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"],
            }
            for policy in client.list_role_policies(RoleName=name)["PolicyNames"]
        ]
        properties: dict[str, JsonValue] = {
            "RoleName": name,
            "Description": role.get("Description"),
            "MaxSessionDuration": role.get("MaxSessionDuration"),
            "AssumeRolePolicyDocument": role["AssumeRolePolicyDocument"],
            "Policies": policies,
            "Tags": _tags(role),
        }
        yield CloudFormationResource(id, "AWS::IAM::Role", without_empty(properties)), (name,)


def _provider(spec: Spec, desired: DesiredFunction) -> Iterator[Adopted]:
    arn = own_github_provider(desired.target, desired.project) if spec.get(Ci) is not None else ""
    if arn:
        known = desired.target.client("iam").get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
        properties: dict[str, JsonValue] = {
            "Url": f"https://{known['Url'].removeprefix('https://')}",
            "ClientIdList": list(known["ClientIDList"]),
            "ThumbprintList": list(known.get("ThumbprintList", [])),
            "Tags": _tags(known),
        }
        yield CloudFormationResource(PROVIDER, "AWS::IAM::OIDCProvider", without_empty(properties)), (arn,)


def _tags(answer: Mapping[str, Any]) -> list[JsonValue]:
    return [dict(one) for one in answer.get("Tags", []) if not str(one["Key"]).startswith("aws:")]
