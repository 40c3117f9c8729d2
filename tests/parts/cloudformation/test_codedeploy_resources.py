"""The rollout of the stacks by CodeDeploy's own requests: AWS's service model accepts them, and the emulated control plane
keeps them and starts a deployment. It shifts no traffic and knows no deployment configurations, so what AWS does in the
time between is not tested.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.validate import ParamValidator

from mlspec.aws.aws_target import AwsTarget
from mlspec.parts.cloudformation.stacks import service, stack_function
from mlspec.sections.deploy import Deploy
from tests.parts.cloudformation.stack_specs import SPECS
from tests.parts.targets import build

ROLE = "arn:aws:iam::123456789012:role/cola-codedeploy"
REVISION = {
    "version": 0.0,
    "Resources": [{"live": {"Type": "AWS::Lambda::Function", "Properties": {"Name": "cola", "Alias": "live",
                                                                            "CurrentVersion": "1", "TargetVersion": "2"}}}],
}  # fmt: skip
"""What CloudFormation hands to CodeDeploy when the version of the alias changes."""


def requests(folder: Path, name: str) -> dict[str, Mapping[str, Any]]:
    """The properties of the CodeDeploy resources of a spec by their type, as parameters of CodeDeploy's requests."""
    project = build(folder, SPECS[name].replace("IAC", "sam")).project
    spec = stack_function(project)
    assert spec is not None
    created = service(spec, project.need(Deploy).rollout, {"ImageUri": "image"}, {})
    names = {one.id: str(one.properties.get("AlarmName", one.id)) for one in created}
    return {
        one.type.rpartition("::")[2]: _parameters(one.properties, names)
        for one in created
        if one.type.startswith("AWS::CodeDeploy::")
    }


def _parameters(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        match value:
            case {"Ref": str(id)}:
                return names[id]
            case {"Fn::GetAtt": ["CodeDeployRole", "Arn"]}:
                return ROLE
        tag = set(value) == {"Key", "Value"}  # the tags of CodeDeploy are the one exception
        return {key if tag else key[0].lower() + key[1:]: _parameters(inner, names) for key, inner in value.items()}
    return [_parameters(inner, names) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("name", "config", "alarms"),
    [
        ("everything", "DeploymentConfig", ["error-rate", "throttle-rate", "p50-ms", "p95-ms", "p99-ms"]),
        ("http-api", "CodeDeployDefault.LambdaLinear10PercentEvery10Minutes", ["error-rate"]),
    ],
)
def test_a_deployment_starts_with_the_alarms_of_the_rollout(
    name: str, config: str, alarms: list[str], target: AwsTarget, tmp_path: Path
) -> None:
    created, client = requests(tmp_path, name), target.client("codedeploy")
    client.create_application(applicationName="cola", **created["Application"])
    group = {**created["DeploymentGroup"], "applicationName": "cola", "deploymentGroupName": "live"}
    expected = [one["name"] for one in group["alarmConfiguration"]["alarms"]]
    assert expected == [f"cola-live-new-version-{alarm}" for alarm in alarms], "the emulator does not report them"
    client.create_deployment_group(**group)
    read = client.get_deployment_group(applicationName="cola", deploymentGroupName="live")["deploymentGroupInfo"]
    assert read["deploymentConfigName"] == config
    assert read["serviceRoleArn"] == ROLE
    content = {"content": json.dumps(REVISION)}
    started = client.create_deployment(
        applicationName="cola",
        deploymentGroupName="live",
        revision={"revisionType": "AppSpecContent", "appSpecContent": content},
    )
    deployment = client.get_deployment(deploymentId=started["deploymentId"])["deploymentInfo"]
    assert (deployment["status"], deployment["deploymentConfigName"]) == ("Created", config), "here it stays"


def test_a_configuration_of_the_projects_own_is_one_that_aws_accepts(target: AwsTarget, tmp_path: Path) -> None:
    """The emulator knows no configurations: AWS's service model judges the request."""
    own = dict(requests(tmp_path, "everything")["DeploymentConfig"])
    assert own["trafficRoutingConfig"]["timeBasedCanary"] == {"canaryPercentage": 20, "canaryInterval": 5}
    model = target.client("codedeploy").meta.service_model.operation_model("CreateDeploymentConfig").input_shape
    assert not ParamValidator().validate({"deploymentConfigName": "cola", **own}, model).has_errors()
    assert ParamValidator().validate({"deploymentConfigName": "cola", **own, "timeBased": 1}, model).has_errors()
