"""What runs a function, as CloudFormation resources: role, log groups, function, version, alias, address. Pure.

The function, its version and its alias are left to a tool that creates them itself: `References` says how the other
resources name them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Final, NamedTuple

from pydantic import JsonValue

from mlspec.aws.alarm_settings import MetricAlarm
from mlspec.aws.function_spec import FunctionSpec
from mlspec.aws.resources import ROLE_POLICY, FunctionUrlConfig, HttpApi, LogGroup
from mlspec.parts.cloudformation.cloudformation_resource import (
    CloudFormationResource,
    get_att,
    ref,
    sub,
    substituted,
    tag_list,
    without_empty,
)

FUNCTION: Final = "Function"
ALIAS: Final = "Alias"
LOG_GROUP: Final = "LogGroup"
VERSION: Final = "FunctionVersion"
"""The logical id of a version begins with it: each has an id of its own, so that CloudFormation publishes it."""


class References(NamedTuple):
    """How other resources of the template name what the tool may create itself."""

    function: JsonValue
    """The name of the function."""
    alias: JsonValue
    """The ARN of the alias."""
    version: JsonValue
    """The number of the version that the template publishes."""


def references(version: str) -> References:
    """Those to the resources of this module; `version` is the logical id of the version."""
    return References(ref(FUNCTION), ref(ALIAS), get_att(version, "Version"))


def role(spec: FunctionSpec) -> CloudFormationResource | None:
    """The role of the function; None where the spec names an existing one."""
    desired = spec.role()
    if desired is None or desired.rights is None:
        return None
    policy: JsonValue = {"PolicyName": ROLE_POLICY, "PolicyDocument": substituted(desired.rights.to_json())}
    properties: dict[str, JsonValue] = {
        "RoleName": desired.name,
        "Description": desired.description,
        "AssumeRolePolicyDocument": desired.trust.to_json(),
        "PermissionsBoundary": desired.boundary,
        "Policies": [policy],
        "Tags": tag_list(desired.tags),
    }
    return CloudFormationResource("Role", "AWS::IAM::Role", without_empty(properties))


def log_groups(spec: FunctionSpec) -> tuple[CloudFormationResource, CloudFormationResource]:
    """The log group of the function, and that with the history of its releases."""
    return _log_group(LOG_GROUP, spec.log_group()), _log_group("ReleaseLogGroup", spec.history_group())


def _log_group(id: str, group: LogGroup) -> CloudFormationResource:
    properties: dict[str, JsonValue] = {
        "LogGroupName": group.name,
        "RetentionInDays": group.retention_days,
        "Tags": tag_list(group.tags),
    }
    return CloudFormationResource(id, "AWS::Logs::LogGroup", without_empty(properties), keep=True)


def function(spec: FunctionSpec, code: JsonValue, variables: Mapping[str, JsonValue]) -> CloudFormationResource:
    """The function with its code in CloudFormation's form, and the values of its environment variables.

    A value is a text, or a reference to where a secret is.
    """
    properties = {"Code": code, **function_properties(spec, variables)}
    return CloudFormationResource(FUNCTION, "AWS::Lambda::Function", properties)


def function_properties(spec: FunctionSpec, variables: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """All properties of the function but its code."""
    desired, reserved = spec.function(), spec.reserved()
    settings = desired.settings()
    return without_empty(
        {
            "FunctionName": desired.name,
            "Description": settings.pop("Description"),
            "Role": get_att("Role", "Arn") if spec.role() else settings["Role"],
            "PackageType": desired.package_type,
            "Architectures": [desired.architecture],
            **{name: value for name, value in settings.items() if name != "Role"},
            "LoggingConfig": {"LogFormat": desired.log_format, "LogGroup": ref(LOG_GROUP)},
            "Environment": {"Variables": dict(variables)} if variables else None,
            "Tags": tag_list(desired.tags),
        }
    ) | ({"ReservedConcurrentExecutions": reserved.number} if reserved else {})


def image_uri(spec: FunctionSpec, digest: str) -> JsonValue:
    """The address of the image with that digest."""
    return substituted(f"{spec.location.image_uri(spec.repository)}@{digest}")


def version(function: CloudFormationResource) -> CloudFormationResource:
    """The version of the function. Its logical id changes with every property of the function.

    CloudFormation publishes no version of a function that a resource of the same id has published before.
    """
    settings = {name: value for name, value in function.properties.items() if name != "Tags"}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    properties: dict[str, JsonValue] = {"FunctionName": ref(FUNCTION)}
    return CloudFormationResource(f"{VERSION}{digest[:10]}", "AWS::Lambda::Version", properties, keep=True)


def alias(
    spec: FunctionSpec, version: CloudFormationResource, update_policy: Mapping[str, JsonValue]
) -> CloudFormationResource:
    """The alias that clients invoke. With `update_policy` CodeDeploy shifts its traffic."""
    provisioned = spec.provisioned()
    concurrency = {"ProvisionedConcurrentExecutions": provisioned.number} if provisioned else None
    properties: dict[str, JsonValue] = {
        "FunctionName": ref(FUNCTION),
        "FunctionVersion": get_att(version.id, "Version"),
        "Name": spec.options.alias,
        "ProvisionedConcurrencyConfig": concurrency,  # type: ignore[dict-item]  # a dict of numbers is JSON
    }
    return CloudFormationResource(ALIAS, "AWS::Lambda::Alias", without_empty(properties), update_policy=update_policy)


def url(spec: FunctionSpec) -> tuple[CloudFormationResource, ...]:
    """The address of the alias, with the two permissions that a public one needs; nothing where it has none."""
    desired = spec.url()
    if desired is None:
        return ()
    properties: dict[str, JsonValue] = {
        "TargetFunctionArn": ref(FUNCTION),
        "Qualifier": desired.alias,
        **url_settings(desired),
    }
    address = CloudFormationResource("Url", "AWS::Lambda::Url", properties, (ALIAS,))
    if desired.auth != "NONE":
        return (address,)
    return (address, *(_public(id, more) for id, more in _PUBLIC.items()))


def url_settings(url: FunctionUrlConfig) -> dict[str, JsonValue]:
    """Who may call the address."""
    return without_empty({"AuthType": url.auth, "Cors": url.cors.to_json()})


_PUBLIC: Final[Mapping[str, Mapping[str, JsonValue]]] = {
    "UrlPermission": {"Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"},
    "UrlInvokePermission": {"Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True},
}
"""The two statements that a public address needs since October 2025
(https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html)."""


def _public(id: str, more: Mapping[str, JsonValue]) -> CloudFormationResource:
    properties: dict[str, JsonValue] = {"FunctionName": ref(ALIAS), "Principal": "*", **more}
    return CloudFormationResource(id, "AWS::Lambda::Permission", properties)


def http_api(spec: FunctionSpec, names: References) -> tuple[CloudFormationResource, ...]:
    """The HTTP API that calls the alias, with its parts; nothing where it has none."""
    api = spec.api()
    if api is None:
        return ()
    settings: dict[str, JsonValue] = {"Name": api.name, "ProtocolType": "HTTP"}
    settings |= without_empty({"CorsConfiguration": api.cors.to_json(), "Tags": dict(api.tags)})
    source = f"{spec.location.arn('execute-api', '')}${{Api}}/*/*"
    permission: dict[str, JsonValue] = {
        "Action": "lambda:InvokeFunction",
        "FunctionName": names.alias,
        "Principal": "apigateway.amazonaws.com",
        "SourceArn": sub(source),
    }
    return (
        CloudFormationResource("Api", "AWS::ApiGatewayV2::Api", settings),
        CloudFormationResource("ApiIntegration", "AWS::ApiGatewayV2::Integration", _integration(api, names)),
        CloudFormationResource("ApiRoute", "AWS::ApiGatewayV2::Route", _route(api)),
        CloudFormationResource("ApiStage", "AWS::ApiGatewayV2::Stage", _stage()),
        CloudFormationResource("ApiPermission", "AWS::Lambda::Permission", permission),
    )


def _integration(api: HttpApi, names: References) -> dict[str, JsonValue]:
    assert api.integration, "the spec describes a whole API"
    return {"ApiId": ref("Api"), **api.integration.to_json(), "IntegrationUri": names.alias}


def _route(api: HttpApi) -> dict[str, JsonValue]:
    """Every path and method: the function knows its own."""
    assert api.route, "the spec describes a whole API"
    target = sub("integrations/${ApiIntegration}")
    return {"ApiId": ref("Api"), "RouteKey": "$default", "AuthorizationType": api.route.auth, "Target": target}


def _stage() -> dict[str, JsonValue]:
    return {"ApiId": ref("Api"), "StageName": "$default", "AutoDeploy": True}


def service_alarms(spec: FunctionSpec) -> tuple[CloudFormationResource, ...]:
    """The alarms on all requests to the alias; they need its metrics alone, and so nothing of the template."""
    return tuple(alarm_resource(f"Service{_pascal(one.measure)}Alarm", one) for one in spec.alarms())


def alarm_resource(id: str, alarm: MetricAlarm) -> CloudFormationResource:
    """One alarm."""
    named: dict[str, JsonValue] = {"AlarmName": alarm.name, **alarm.settings(), "Tags": tag_list(alarm.tags)}
    return CloudFormationResource(id, "AWS::CloudWatch::Alarm", named)


def _pascal(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))
