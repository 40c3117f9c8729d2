"""The two SAM templates of a deployment as values for their Jinja templates. Pure.

`foundation` is what must exist before an image can be pushed, `service` what runs the image and releases it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from mlspec.aws.function_spec import FunctionSpec
from mlspec.aws.resource_tags import tags
from mlspec.parts.cloudformation import codedeploy_resources, service_resources, stacks
from mlspec.parts.cloudformation.checkov_skips import skipped_checks
from mlspec.parts.cloudformation.cloudformation_resource import (
    GITHUB_REPOSITORY,
    CloudFormationResource,
    get_att,
    ref,
    without_empty,
)
from mlspec.parts.cloudformation.foundation_resources import CREATE_PROVIDER
from mlspec.parts.cloudformation.service_resources import References
from mlspec.parts.cloudformation.stacks import FOUNDATION, SERVICE
from mlspec.parts.cloudformation.traffic_shift import traffic_shift
from mlspec.plan.artifact import Artifact
from mlspec.sections.ci import Ci
from mlspec.sections.deploy import Deploy, Lambda, Rollout
from mlspec.spec.project import Project
from mlspec.spec.types import SecretRef

FOLDER: Final = "sam"
UNKNOWN_DIGEST: Final = "sha256:" + "0" * 64
"""Stands in the generated template for the image that a release delivers."""
ARCHIVE: Final = "../artifacts/function.zip"
_REFERENCES: Final = References(ref("Function"), ref("Function.Alias"), get_att("Function.Version", "Version"))
"""SAM creates the version and the alias, and resolves these two."""
_COMMENTS: Final[Mapping[str, str]] = {
    "GithubOidcProvider": "An account has this provider once, and other repositories use it: it outlives the stack.",
    "Bucket": "The data and the models of the project: it outlives the stack.",
    "Budget": "AWS counts by the tag once it is activated as a cost allocation tag, in the account's billing.",
    "ReleaseRole": "The workflow that releases assumes this role, from one environment of one repository.",
    "DataReadRole": "Every job of the repository may read the DVC remote with this role; jobs of a fork get no token.",
    "DataWriteRole": "Only jobs in the environments of training, monitoring and release may write to the DVC remote.",
    "ReleaseLogGroup": "What was released when, by whom, and why it was rolled back: kept for ever.",
    "Function": "Every change of a property publishes a version, and the alias that clients invoke moves to it.",
    "CodeDeployRole": "Moves the alias and reads the alarms.",
    "ApiRoute": "Every path and method: the function knows its own.",
    "UrlPermission": "A public address needs two permissions: to call the address, and by it the function.",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class CommentedResource:
    """A resource of a template, with the comment above it."""

    id: str
    comment: str
    skips: tuple[tuple[str, str], ...]
    """Checks of checkov that do not apply to it, each with the reason."""
    body: Mapping[str, JsonValue]


def stack_name(spec: FunctionSpec, stack: str) -> str:
    """The name of a stack. The function's may have characters that a stack's may not."""
    name = re.sub(r"[^A-Za-z0-9-]", "-", spec.name)
    name = name if name[:1].isalpha() else f"mlspec-{name}"
    return f"{name}-{FOUNDATION}" if stack == FOUNDATION else name


def secret_parameters(options: Lambda) -> dict[str, str]:
    """Environment variables whose values are not in the spec, each with its parameter of the template."""
    secrets = [name for name, value in options.environment.items() if isinstance(value, SecretRef)]
    ids: dict[str, str] = {}
    for name in secrets:
        id = "Secret" + "".join(part.capitalize() for part in name.split("_"))
        ids[name] = id if id not in ids.values() else f"{id}{len(ids)}"
    return ids


def files(project: Project, spec: FunctionSpec) -> Iterator[Artifact]:
    """Both templates, and the settings of the SAM command line."""
    first = stacks.foundation(project, spec, stack_name(spec, SERVICE))
    if first:
        yield Artifact(f"{FOLDER}/{FOUNDATION}.yaml", "sam/foundation.yaml.j2", _foundation(project, spec, first))
    yield Artifact(f"{FOLDER}/{SERVICE}.yaml", "sam/service.yaml.j2", _service(project, spec))
    yield Artifact(f"{FOLDER}/samconfig.toml", "sam/samconfig.toml.j2", _settings(spec, bool(first)))


def _foundation(project: Project, spec: FunctionSpec, resources: Sequence[CloudFormationResource]) -> dict[str, object]:
    ci = project.get(Ci)
    ids = [resource.id for resource in resources]
    return {
        "name": spec.name,
        "github": ci.github if ci else None,
        "repository": "Repository" in ids,
        "bucket": "Bucket" in ids,
        "create_provider": CREATE_PROVIDER,
        "github_repository": GITHUB_REPOSITORY,
        "resources": _commented(resources, spec),
    }


def _service(project: Project, spec: FunctionSpec) -> dict[str, object]:
    rollout = project.need(Deploy).rollout
    secrets = secret_parameters(spec.options)
    return {
        "name": spec.name,
        "zipped": spec.package.zip is not None,
        "secrets": secrets,
        "alias": spec.options.alias,
        "url": spec.url(),
        "api": spec.api(),
        "resources": _commented(service_template(spec, rollout), spec),
    }


def service_template(spec: FunctionSpec, rollout: Rollout | None) -> tuple[CloudFormationResource, ...]:
    """The resources of the service, the function in SAM's form."""
    role = service_resources.role(spec)
    shift = stacks.rollout_resources(spec, rollout, _REFERENCES)
    own = tuple(resource for resource in shift if not resource.type.startswith("AWS::CodeDeploy::D"))
    config = tuple(resource for resource in shift if resource.id == codedeploy_resources.CONFIG)
    preference = _preference(rollout, shift) if shift else None
    function = CloudFormationResource("Function", "AWS::Serverless::Function", _function(spec, preference))
    api = service_resources.http_api(spec, _REFERENCES)
    left = tuple(r for r in (*own, *config) if r.id != codedeploy_resources.APPLICATION)
    alarms = service_resources.service_alarms(spec)
    return (*((role,) if role else ()), *service_resources.log_groups(spec), function, *left, *api, *alarms)


def _preference(rollout: Rollout | None, shift: Sequence[CloudFormationResource]) -> JsonValue:
    """How SAM has CodeDeploy move the alias."""
    alarms: list[JsonValue] = [ref(resource.id) for resource in shift if resource.type == "AWS::CloudWatch::Alarm"]
    name = traffic_shift(rollout).predefined
    type: JsonValue = name or ref(codedeploy_resources.CONFIG)
    return without_empty({"Type": type, "Alarms": alarms, "Role": get_att(codedeploy_resources.ROLE, "Arn")})


def _function(spec: FunctionSpec, preference: JsonValue) -> dict[str, JsonValue]:
    """The properties of the function in SAM's form, its alias and address among them."""
    properties = service_resources.function_properties(spec, _variables(spec.options))
    tracing = spec.function().tracing
    properties.pop("TracingConfig")
    properties.pop("Tags")
    url, provisioned = spec.url(), spec.provisioned()
    concurrency: JsonValue = {"ProvisionedConcurrentExecutions": provisioned.number} if provisioned else None
    return without_empty(
        {
            "FunctionName": properties.pop("FunctionName"),
            "Description": properties.pop("Description", None),
            "Role": properties.pop("Role"),
            "PackageType": properties.pop("PackageType"),
            **_code(spec),
            **{name: value for name, value in properties.items() if name != "ReservedConcurrentExecutions"},
            "Tracing": tracing,
            "Tags": dict(tags(spec.info.name)),
            "PropagateTags": True,
            "AutoPublishAlias": spec.options.alias,
            "AutoPublishAliasAllProperties": True,
            "DeploymentPreference": preference,
            "ProvisionedConcurrencyConfig": concurrency,
            "FunctionUrlConfig": service_resources.url_settings(url) if url else None,
        }
    ) | {name: value for name, value in properties.items() if name == "ReservedConcurrentExecutions"}


def _code(spec: FunctionSpec) -> dict[str, JsonValue]:
    if spec.package.zip is not None:
        return {"CodeUri": ARCHIVE}
    return {"ImageUri": service_resources.image_uri(spec, UNKNOWN_DIGEST)}


def _variables(options: Lambda) -> dict[str, JsonValue]:
    secrets = secret_parameters(options)
    return {
        name: ref(secrets[name]) if isinstance(value, SecretRef) else value
        for name, value in options.environment.items()
    }


def _settings(spec: FunctionSpec, has_foundation: bool) -> dict[str, object]:
    zipped, account = spec.package.zip, spec.location.account
    known = zipped is None and "$" not in account
    return {
        "stacks": [name for name in (FOUNDATION, SERVICE) if has_foundation or name == SERVICE],
        "names": {name: stack_name(spec, name) for name in (FOUNDATION, SERVICE)},
        "region": spec.location.region,
        "tags": tags(spec.info.name),
        "image_repository": spec.location.image_uri(spec.repository) if known else None,
        "name": spec.name,
        "bucket": zipped.bucket if zipped else None,
    }


def _commented(resources: Sequence[CloudFormationResource], spec: FunctionSpec) -> list[CommentedResource]:
    return [
        CommentedResource(r.id, _COMMENTS.get(r.id, ""), tuple(skipped_checks(r, spec)), r.to_json()) for r in resources
    ]
