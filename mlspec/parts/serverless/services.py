"""The two services of a deployment as values for their templates. Pure.

`foundation` is what must exist before an image can be pushed, `service` what runs the image.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from pydantic import JsonValue

from mlspec.aws.function_spec import FunctionSpec
from mlspec.aws.policy_document import PolicyDocument
from mlspec.aws.resource_tags import tags
from mlspec.aws.stack_policy import serverless_packages
from mlspec.parts.cloudformation import codedeploy_resources, service_resources
from mlspec.parts.cloudformation.checkov_skips import (
    function_skips,
    log_group_skips,
    package_bucket_skips,
    skip_metadata,
    skipped_checks,
)
from mlspec.parts.cloudformation.cloudformation_resource import (
    KEPT,
    CloudFormationResource,
    get_att,
    ref,
)
from mlspec.parts.cloudformation.service_resources import References
from mlspec.parts.cloudformation.stacks import FOUNDATION, SERVICE, foundation, rollout_resources
from mlspec.parts.serverless.variable_text import without_variables
from mlspec.plan.artifact import Artifact
from mlspec.sections.ci import Ci
from mlspec.sections.deploy import Deploy, Rollout
from mlspec.spec.project import Project
from mlspec.spec.types import SecretRef

FOLDER: Final = "serverless"
FUNCTION_ID: Final = "ServeLambdaFunction"
"""The logical id that the framework gives to the function `serve`."""
LOG_GROUP_ID: Final = "ServeLogGroup"
_BUCKET_EXTENSION: Final[dict[str, JsonValue]] = {
    "ServerlessDeploymentBucket": {
        "Properties": {
            "LifecycleConfiguration": {
                "Rules": [{"Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 30}}]
            }
        },
        **skip_metadata(package_bucket_skips()),
    }
}
"""The bucket has versions, and the framework deletes old packages: their versions expire."""
_VERSION_ID: Final = "${file(version.js):id}"
_VERSION: Final = get_att(_VERSION_ID, "Version")
NAMES: Final = References(ref(FUNCTION_ID), ref(service_resources.ALIAS), _VERSION)


def service_name(function: str) -> str:
    """The name of a service and of its stack: letters, digits and `-`, with a letter first."""
    name = re.sub(r"[^A-Za-z0-9-]", "-", function)
    return name if re.match(r"[A-Za-z].", name) else f"mlspec-{name}"


def foundation_name(function: str) -> str:
    """The name of the service with what must exist before the function."""
    return f"{service_name(function)}-foundation"


def service_files(project: Project, spec: FunctionSpec) -> Iterator[Artifact]:
    """The files of the service with the function."""
    files = {name: resources for name, resources in _resources(spec, project.need(Deploy).rollout).items() if resources}
    folder = f"{FOLDER}/{SERVICE}"
    yield Artifact(
        f"{folder}/serverless.yml", "serverless/service/serverless.yml.j2", _service(spec, [*files, "outputs"])
    )
    version = {"zipped": spec.package.zip is not None, "function_id": FUNCTION_ID}
    yield Artifact(f"{folder}/version.js", "serverless/service/version.js.j2", version)
    for name, resources in files.items():
        yield _resource_file(f"{folder}/resources/{name}.yml", resources, spec)
    yield Artifact(f"{folder}/resources/outputs.yml", "serverless/outputs.yml.j2", {"outputs": _outputs(spec)})


def foundation_files(project: Project, spec: FunctionSpec) -> Iterator[Artifact]:
    """The files of the service with what must exist before the function; none where nothing must."""
    service, name, ci = service_name(spec.name), foundation_name(spec.name), project.get(Ci)
    resources = foundation(project, spec, service, package_policies(spec))
    files = {
        "registry": tuple(one for one in resources if one.type.startswith("AWS::ECR::")),
        "github": tuple(one for one in resources if one.type.startswith("AWS::IAM::")),
        "bucket": tuple(one for one in resources if one.type.startswith("AWS::S3::")),
        "budget": tuple(one for one in resources if one.type.startswith("AWS::Budgets::")),
    }
    files = {file: listed for file, listed in files.items() if listed}
    if not files:
        return
    values = {**_common(spec), "service": name, "files": files, "github": ci.github if ci else None}
    values["extensions"] = _BUCKET_EXTENSION
    folder = f"{FOLDER}/{FOUNDATION}"
    yield Artifact(f"{folder}/serverless.yml", "serverless/foundation/serverless.yml.j2", values)
    for file, listed in files.items():
        yield _resource_file(f"{folder}/resources/{file}.yml", listed, spec)


def package_policies(spec: FunctionSpec) -> dict[str, PolicyDocument]:
    """What the releasing role may do besides, by the name of the policy."""
    values = spec.options.environment.values()
    secrets = [secret_name(spec.info.name, one) for one in values if isinstance(one, SecretRef)]
    return {"packages": serverless_packages(spec, service_name(spec.name), secrets)}


def _resource_file(path: str, resources: Iterable[CloudFormationResource], spec: FunctionSpec) -> Artifact:
    """A file of resources that a serverless.yml includes."""
    values = {one.id: _in_service(one.to_json() | skip_metadata(skipped_checks(one, spec))) for one in resources}
    return Artifact(path, "serverless/resources.yml.j2", {"resources": values})


def _resources(spec: FunctionSpec, rollout: Rollout | None) -> dict[str, tuple[CloudFormationResource, ...]]:
    """The resources beside the function by their file. Its log group is the framework's own."""
    role, history = service_resources.role(spec), service_resources.log_groups(spec)[1]
    version = CloudFormationResource(_VERSION_ID, "AWS::Lambda::Version")
    shift = rollout_resources(spec, rollout, NAMES)
    policy = codedeploy_resources.update_policy() if shift else {}
    return {
        "role": (role,) if role else (),
        "logs": (history,),
        "alias": (service_resources.alias(spec, version, policy),),
        "endpoint": (*service_resources.url(spec), *service_resources.http_api(spec, NAMES)),
        "rollout": shift,
        "alarms": service_resources.service_alarms(spec),
    }


def _in_service(value: JsonValue) -> JsonValue:
    """References to the function by the logical id that the framework gives it, and other text without variables of the
    framework. A text of Fn::Sub contains no text of a user.
    """
    if isinstance(value, str):
        return value if value == _VERSION_ID else without_variables(value)
    if isinstance(value, dict):
        if value == ref(service_resources.FUNCTION):
            return ref(FUNCTION_ID)
        if value.keys() == {"Fn::Sub"}:
            return value
        return {key: _in_service(inner) for key, inner in value.items()}
    return [_in_service(inner) for inner in value] if isinstance(value, list) else value


def _outputs(spec: FunctionSpec) -> dict[str, JsonValue]:
    address = {"Url": get_att("Url", "FunctionUrl")} if spec.url() else {}
    address |= {"Url": get_att("Api", "ApiEndpoint")} if spec.api() else {}
    values = {"FunctionName": ref(FUNCTION_ID), "AliasArn": ref(service_resources.ALIAS), **address}
    return {name: {"Value": value} for name, value in values.items()}


def variables(spec: FunctionSpec) -> dict[str, JsonValue]:
    """The function's environment; secrets as references that CloudFormation resolves when it deploys."""
    return {
        name: f"{{{{resolve:secretsmanager:{secret_name(spec.info.name, value)}}}}}"
        if isinstance(value, SecretRef)
        else without_variables(value)
        for name, value in spec.options.environment.items()
    }


def secret_name(project: str, secret: SecretRef) -> str:
    """The name in AWS Secrets Manager of what the spec gives as a variable of the environment."""
    return f"{project}/{secret.env}"


def _service(spec: FunctionSpec, files: Iterable[str]) -> dict[str, object]:
    function, reserved = spec.function(), spec.reserved()
    description = without_variables(function.description)
    return {
        **_common(spec),
        "service": service_name(spec.name),
        "retention": spec.log_group().retention_days,
        "function": function,
        "description": description if isinstance(description, str) else None,
        "extensions": _extensions(spec, None if isinstance(description, str) else description),
        "role": "Role" if spec.role() else function.role,
        "reserved": reserved.number if reserved else None,
        "environment": variables(spec),
        "files": files,
    }


def _extensions(spec: FunctionSpec, description: JsonValue) -> dict[str, JsonValue]:
    """What the framework's own resources get besides. `description` is one that contains a variable's syntax."""
    properties: dict[str, JsonValue] = {"Properties": {"Description": description}} if description else {}
    return {
        FUNCTION_ID: {**properties, **skip_metadata(function_skips(spec))},
        LOG_GROUP_ID: {**KEPT, **skip_metadata(log_group_skips())},
        **_BUCKET_EXTENSION,
    }


def _common(spec: FunctionSpec) -> dict[str, object]:
    return {
        "stage": re.sub(r"[^A-Za-z0-9-]", "-", spec.options.alias),
        "region": spec.location.region,
        "tags": tags(spec.info.name),
    }
