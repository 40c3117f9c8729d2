"""The two Terraform modules of a deployment as values for their templates. Pure.

`foundation` is what must exist before an image can be pushed, `service` what runs the image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import JsonValue

from mlspec.aws.aws_location import AwsLocation
from mlspec.aws.cost_alarm import cost_alarm
from mlspec.aws.ecr import Repository, ecr_location, github_trust, repository
from mlspec.aws.function_spec import FunctionSpec, function_location
from mlspec.aws.owned_bucket import owned_bucket, upload_rights
from mlspec.aws.resource_tags import tags
from mlspec.aws.resources import API_STATEMENT, ROLE_POLICY
from mlspec.parts.ci.data_roles import data_roles
from mlspec.parts.ci.release_workflow import LONGEST_SESSION, ship_minutes
from mlspec.parts.cloudformation.checkov_skips import bucket_skips, function_skips, role_skips, stage_skips, url_skips
from mlspec.parts.infrastructure_stages import has_foundation
from mlspec.parts.terraform.import_blocks import foundation_imports, release_policies, service_imports
from mlspec.plan.artifact import Artifact
from mlspec.render.hcl import ACCOUNT, Expression
from mlspec.sections.budget import CostBudget
from mlspec.sections.ci import Ci, Github
from mlspec.sections.deploy import Deploy, Lambda, Rollout
from mlspec.sections.package import Package
from mlspec.sections.registry import Registry
from mlspec.spec.project import Project
from mlspec.spec.types import SecretRef

FOUNDATION: Final = "foundation"
SERVICE: Final = "service"
FOLDER: Final = "terraform"
GITHUB_REPOSITORY: Final = "${var.github_repository}"
_SESSION: Final = 3600
"""Seconds of a session of a role, unless the role allows more."""


def deployed_function(project: Project) -> FunctionSpec | None:
    """The function of the spec in the account that Terraform works in; None where the spec deploys none."""
    deploy, package, registry = project.get(Deploy), project.get(Package), project.get(Registry)
    if deploy is None or deploy.lambda_ is None or package is None:
        return None
    location = function_location(deploy.lambda_, registry)
    repository = registry.ecr.repository if registry else ""
    if location is None:
        return None
    return FunctionSpec(
        project.info, deploy.lambda_, package, here(location), repository, upload=upload_rights(project)
    )


def here(location: AwsLocation) -> AwsLocation:
    """The same place with Terraform's expression for an account that the spec does not name."""
    return AwsLocation(location.region, ACCOUNT) if "$" in location.account else location


def files(project: Project, spec: FunctionSpec) -> Iterator[Artifact]:
    """The files of both modules."""
    ci, registry = project.get(Ci), project.get(Registry)
    common = _common(project, spec)
    if has_foundation(project):
        shared = {**common, "budget": cost_alarm(project.get(CostBudget), spec.name, spec.info.name)}
        yield from _foundation(project, spec, registry, ci.github if ci else None, project.need(Deploy).rollout, shared)
    yield from _service(spec, common)


def _common(project: Project, spec: FunctionSpec) -> dict[str, object]:
    deploy = project.need(Deploy)
    return {
        "backend": deploy.terraform.backend,
        "region": spec.location.region,
        "account": None if spec.location.account == ACCOUNT else spec.location.account,
        "tags": tags(project.info.name),
        "name": spec.name,
    }


def _state(spec: FunctionSpec, module: str, backend: str) -> str:
    """Where the state lies: each function has its own, so that environments do not take each other's resources."""
    return f"{spec.name}.tfstate" if backend == "local" else f"mlspec/{spec.info.name}/{spec.name}/{module}.tfstate"


def _module(
    spec: FunctionSpec, folder: str, templates: Mapping[str, str], values: Mapping[str, object]
) -> Iterator[Artifact]:
    values = {**values, "state": _state(spec, folder, str(values["backend"]))}
    for file, template in templates.items():
        yield Artifact(f"{FOLDER}/{folder}/{file}", f"terraform/{template}.j2", values)


def _foundation(
    project: Project,
    spec: FunctionSpec,
    registry: Registry | None,
    github: Github | None,
    rollout: Rollout | None,
    common: Mapping[str, object],
) -> Iterator[Artifact]:
    known = foundation_imports(project, spec)
    values: dict[str, object] = {**common, "github": github, "imports": known, "importable": [i.name for i in known]}
    shared = {"versions.tf": "versions.tf", "variables.tf": "foundation/variables.tf"}
    shared |= {"outputs.tf": "foundation/outputs.tf"}
    values["repository"] = _repository(project, registry) if registry is not None else None
    shared |= {"registry.tf": "foundation/registry.tf"} if registry is not None else {}
    if github is not None:
        values |= {
            "trust": _trust(spec, github),
            "session": max(_SESSION, min(ship_minutes(rollout) * 60, LONGEST_SESSION)),
            "policies": release_policies(spec, registry),
            "data_roles": data_roles(project, spec.location, GITHUB_REPOSITORY),
        }
        shared["github.tf"] = "foundation/github.tf"
    bucket = owned_bucket(project)
    values |= {"bucket": bucket, "bucket_skips": list(bucket_skips(own_key=bool(bucket and bucket.kms_key)))}
    shared |= {"bucket.tf": "foundation/bucket.tf"} if bucket is not None else {}
    shared |= {"budget.tf": "foundation/budget.tf"} if common["budget"] is not None else {}
    shared |= {"imports.tf": "imports.tf"} if known else {}
    shared["tests/foundation.tftest.hcl"] = "tests/foundation.tftest.hcl"
    yield from _module(spec, FOUNDATION, shared, values)


def _repository(project: Project, registry: Registry) -> Repository:
    return repository(registry.ecr, here(ecr_location(registry.ecr)), project.info.name, on_lambda=True)


def _trust(spec: FunctionSpec, github: Github) -> dict[str, JsonValue]:
    return github_trust(spec.location, GITHUB_REPOSITORY, github.environment).to_json()


def _service(spec: FunctionSpec, common: Mapping[str, object]) -> Iterator[Artifact]:
    known, secrets = service_imports(spec), secret_names(spec.options)
    values: dict[str, object] = {
        **common,
        "function": spec.function(),
        "role": spec.role(),
        "policy_name": ROLE_POLICY,
        "group": spec.log_group(),
        "history": spec.history_group(),
        "alias": spec.options.alias,
        "url": spec.url(),
        "api": spec.api(),
        "api_statement": API_STATEMENT,
        "reserved": spec.reserved(),
        "provisioned": spec.provisioned(),
        "alarms": spec.alarms(),
        "zipped": spec.package.zip is not None,
        "variables": _variables(spec.options),
        "secrets": secrets,
        "imports": known,
        "importable": [one.name for one in known],
        "function_skips": list(function_skips(spec)),
        "role_skips": list(role_skips(spec, "CKV_AWS_290", "CKV_AWS_355")),
        "url_skips": list(url_skips(auth=url.auth)) if (url := spec.url()) else [],
        "stage_skips": list(stage_skips("CKV_AWS_76")),
    }
    shared = {"versions.tf": "versions.tf", "variables.tf": "service/variables.tf", "logs.tf": "service/logs.tf"}
    shared |= {"role.tf": "service/role.tf"} if spec.role() else {}
    shared |= {"function.tf": "service/function.tf"}
    shared |= {"endpoint.tf": "service/endpoint.tf"} if spec.url() or spec.api() else {}
    shared |= {"alarms.tf": "service/alarms.tf"} if spec.alarms() else {}
    shared |= {"outputs.tf": "service/outputs.tf", "imports.tf": "imports.tf"}
    shared["tests/service.tftest.hcl"] = "tests/service.tftest.hcl"
    yield from _module(spec, SERVICE, shared, values)


def secret_names(options: Lambda) -> list[str]:
    """The function's variables whose values are not in the spec."""
    return [name for name, value in options.environment.items() if isinstance(value, SecretRef)]


def _variables(options: Lambda) -> dict[str, str]:
    return {
        name: Expression(f"var.secret_{name}") if isinstance(value, SecretRef) else value
        for name, value in options.environment.items()
    }
