"""A rollout by AWS CodeDeploy as CloudFormation resources: alarms on the new version, what shifts traffic. Pure.

CodeDeploy shifts the traffic of an alias in one step, or in equal steps, after fixed times; an alarm rolls it back
(https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-configurations.html).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from mlspec.aws.alarm_settings import MetricAlarm
from mlspec.aws.function_spec import FunctionSpec
from mlspec.aws.policy_document import PolicyDocument, Statement
from mlspec.aws.resource_tags import tags
from mlspec.parts.cloudformation.cloudformation_resource import (
    CloudFormationResource,
    get_att,
    ref,
    tag_list,
    without_empty,
)
from mlspec.parts.cloudformation.service_resources import References, alarm_resource
from mlspec.parts.cloudformation.traffic_shift import TrafficShift
from mlspec.sections.deploy import AbortIf

APPLICATION: Final = "DeploymentApplication"
GROUP: Final = "DeploymentGroup"
CONFIG: Final = "DeploymentConfig"
ROLE: Final = "CodeDeployRole"
_PERIOD: Final = 60
_IDS: Final = {
    "error_rate": "ErrorRateAlarm",
    "throttle_rate": "ThrottleRateAlarm",
    "p50_ms": "MedianLatencyAlarm",
    "p95_ms": "P95LatencyAlarm",
    "p99_ms": "P99LatencyAlarm",
}
"""Logical ids of the alarms by the name of their bound."""


def codedeploy_role_name(spec: FunctionSpec) -> str:
    """The name of the role that CodeDeploy works with."""
    return f"{spec.name[:53]}-codedeploy"


def alarms(spec: FunctionSpec, bounds: AbortIf | None, names: References) -> tuple[CloudFormationResource, ...]:
    """One alarm for each bound, on the version that the template publishes."""
    return tuple(
        alarm_resource(_IDS[name], _alarm(spec, name, bound, names))
        for name, bound in (bounds.given() if bounds else {}).items()
        if name in _IDS
    )


def _alarm(spec: FunctionSpec, measure: str, bound: str, names: References) -> MetricAlarm:
    """Lambda counts by executed version while an alias splits its traffic."""
    alias = spec.options.alias
    return MetricAlarm(
        name=f"{spec.name}-{alias}-new-version-{measure.replace('_', '-')}",
        description=f"Rolls a new version of {spec.name} back: {measure} {bound}",
        measure=measure,
        bound=bound,
        seconds=_PERIOD,
        dimensions={
            "FunctionName": names.function,
            "Resource": f"{spec.name}:{alias}",
            "ExecutedVersion": names.version,
        },
        tags=tags(spec.info.name),
    )


def deployment_config(shift: TrafficShift) -> CloudFormationResource | None:
    """How the traffic moves; None where AWS has a configuration of that kind."""
    if shift.predefined:
        return None
    percent, minutes = f"{shift.word}Percentage", f"{shift.word}Interval"
    steps: JsonValue = {percent: shift.percent, minutes: shift.minutes}
    routing: JsonValue = {"Type": shift.type, shift.type: steps}
    properties: dict[str, JsonValue] = {"ComputePlatform": "Lambda", "TrafficRoutingConfig": routing}
    return CloudFormationResource(CONFIG, "AWS::CodeDeploy::DeploymentConfig", properties)


def codedeploy_trust() -> PolicyDocument:
    """CodeDeploy alone assumes its role."""
    return PolicyDocument((Statement("sts:AssumeRole", principal={"Service": "codedeploy.amazonaws.com"}),))


def codedeploy_role(spec: FunctionSpec) -> CloudFormationResource:
    """The role with which CodeDeploy moves the alias and reads the alarms."""
    policy = f"arn:{spec.location.partition}:iam::aws:policy/service-role/AWSCodeDeployRoleForLambdaLimited"
    properties: dict[str, JsonValue] = {
        "RoleName": codedeploy_role_name(spec),
        "Description": f"Shifts the traffic of the Lambda function {spec.name}",
        "AssumeRolePolicyDocument": codedeploy_trust().to_json(),
        "PermissionsBoundary": spec.options.permissions_boundary,
        "ManagedPolicyArns": [policy],
        "Tags": tag_list(tags(spec.info.name)),
    }
    return CloudFormationResource(ROLE, "AWS::IAM::Role", without_empty(properties))


def deployment(
    spec: FunctionSpec, shift: TrafficShift, alarms: tuple[CloudFormationResource, ...]
) -> tuple[CloudFormationResource, ...]:
    """The CodeDeploy application, its deployment group, and the configuration where AWS has none of that kind."""
    config = deployment_config(shift)
    name: JsonValue = ref(CONFIG) if config else f"CodeDeployDefault.Lambda{shift.predefined}"
    project = tag_list(tags(spec.info.name))
    application: dict[str, JsonValue] = {"ComputePlatform": "Lambda", "Tags": project}
    group: dict[str, JsonValue] = {
        "ApplicationName": ref(APPLICATION),
        "ServiceRoleArn": get_att(ROLE, "Arn"),
        "DeploymentConfigName": name,
        "DeploymentStyle": {"DeploymentType": "BLUE_GREEN", "DeploymentOption": "WITH_TRAFFIC_CONTROL"},
        "AutoRollbackConfiguration": {"Enabled": True, "Events": list(_ROLLBACK)},
        "AlarmConfiguration": {"Enabled": True, "Alarms": [{"Name": ref(a.id)} for a in alarms]} if alarms else None,
        "Tags": project,
    }
    return (
        *((config,) if config else ()),
        CloudFormationResource(APPLICATION, "AWS::CodeDeploy::Application", application),
        CloudFormationResource(GROUP, "AWS::CodeDeploy::DeploymentGroup", without_empty(group)),
    )


_ROLLBACK: Final = ("DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST")


def update_policy() -> Mapping[str, JsonValue]:
    """What makes CodeDeploy move the alias when its version changes."""
    return {"CodeDeployLambdaAliasUpdate": {"ApplicationName": ref(APPLICATION), "DeploymentGroupName": ref(GROUP)}}
