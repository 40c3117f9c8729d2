"""The generated services, as osls packages them and as cfn-lint judges the result."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mlspec.parts.serverless.services import service_name
from tests.parts.serverless.packages import DIGEST, IMAGE, SPECS, packaged_example, packaged_service
from tests.parts.targets import codes, files

Packaged = Callable[[str], dict[str, Any]]
SERVICES = ("foundation", "service")
TEMPLATE = "serverless/service/.serverless/cloudformation-template-update-stack.json"
pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of an example with its package, made once for all tests."""
    return partial(packaged_example, tmp_path_factory)


@pytest.fixture(scope="module")
def packaged(folder: Callable[[str], Path]) -> Packaged:
    return lambda name: dict(json.loads((folder(name) / TEMPLATE).read_text())["Resources"])


def of_type(resources: dict[str, Any], type: str) -> dict[str, Any]:
    return {id: one.get("Properties", {}) for id, one in resources.items() if one["Type"] == type}


def test_cfn_lint_reports_nothing(folder: Callable[[str], Path]) -> None:
    # osls itself writes the dependency on the role that the function refers to anyway.
    templates = [folder(name) / TEMPLATE.replace("service/", f"{service}/") for name in SPECS for service in SERVICES]
    command = ["cfn-lint", "--ignore-checks", "W3005", "--", *(str(file) for file in templates if file.exists())]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_clients_invoke_a_version_of_the_pushed_image(packaged: Packaged) -> None:
    resources = packaged("everything")
    function = of_type(resources, "AWS::Lambda::Function")["ServeLambdaFunction"]
    (version,) = of_type(resources, "AWS::Lambda::Version")
    (alias,) = of_type(resources, "AWS::Lambda::Alias").values()
    assert function["Code"] == {"ImageUri": IMAGE}
    assert alias["FunctionVersion"] == {"Fn::GetAtt": [version, "Version"]}
    assert resources[version]["DeletionPolicy"] == "RetainExceptOnCreate", (
        "a version before it is what a rollback goes to"
    )
    (url,) = of_type(resources, "AWS::Lambda::Url").values()
    assert (url["Qualifier"], url["AuthType"]) == (alias["Name"], "NONE")
    permissions = of_type(resources, "AWS::Lambda::Permission").values()
    assert {one["Action"] for one in permissions} == {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}
    assert [one["FunctionName"] for one in permissions] == [{"Ref": "Alias"}] * 2


def test_the_function_has_its_settings_its_role_and_its_log(packaged: Packaged) -> None:
    resources = packaged("everything")
    function = of_type(resources, "AWS::Lambda::Function")["ServeLambdaFunction"]
    assert function["MemorySize"] == 1024
    assert function["ImageConfig"]["Command"] == ["handler.handle"]
    assert function["ReservedConcurrentExecutions"] == 5
    assert function["TracingConfig"] == {"Mode": "Active"}
    assert function["VpcConfig"]["SubnetIds"] == ["subnet-1a2b3c4d"]
    assert {"Key": "mlspec:project", "Value": "cola"} in function["Tags"]
    assert function["Role"] == {"Fn::GetAtt": ["Role", "Arn"]}
    assert resources["Role"]["Properties"]["PermissionsBoundary"].endswith(":policy/limits")
    logs = of_type(resources, "AWS::Logs::LogGroup")
    assert logs["ServeLogGroup"] == {"LogGroupName": "/aws/lambda/cola", "RetentionInDays": 30}
    assert function["LoggingConfig"] == {"LogFormat": "JSON", "LogGroup": "/aws/lambda/cola"}
    assert "ServeLogGroup" in resources["ServeLambdaFunction"]["DependsOn"], "Lambda would create it without retention"


def test_a_secret_is_not_in_the_template(packaged: Packaged) -> None:
    function = of_type(packaged("everything"), "AWS::Lambda::Function")["ServeLambdaFunction"]
    assert function["Environment"]["Variables"]["TOKEN"] == "{{resolve:secretsmanager:cola/SERVICE_TOKEN}}"


def test_codedeploy_shifts_the_traffic_and_alarms_watch_the_new_version(packaged: Packaged) -> None:
    resources = packaged("everything")
    policy = resources["Alias"]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
    assert policy["DeploymentGroupName"] == {"Ref": "DeploymentGroup"}
    group = resources["DeploymentGroup"]["Properties"]
    alarms = [id for id in of_type(resources, "AWS::CloudWatch::Alarm") if not id.startswith("Service")]
    assert group["AlarmConfiguration"]["Alarms"] == [{"Name": {"Ref": id}} for id in alarms]
    assert len(alarms) == 5
    (version,) = of_type(resources, "AWS::Lambda::Version")
    dimensions = resources["P95LatencyAlarm"]["Properties"]["Dimensions"]
    assert {"Name": "ExecutedVersion", "Value": {"Fn::GetAtt": [version, "Version"]}} in dimensions
    assert not of_type(packaged("image"), "AWS::CodeDeploy::DeploymentGroup")


def test_an_http_api_calls_the_alias(packaged: Packaged) -> None:
    resources = packaged("http-api")
    assert resources["ApiIntegration"]["Properties"]["IntegrationUri"] == {"Ref": "Alias"}


def test_a_zip_is_uploaded_and_the_role_of_the_spec_is_used(packaged: Packaged) -> None:
    resources = packaged("zip")
    function = resources["ServeLambdaFunction"]["Properties"]
    assert function["Code"]["S3Bucket"] == {"Ref": "ServerlessDeploymentBucket"}
    assert function["Role"] == "arn:aws-us-gov:iam::123456789012:role/x"
    assert resources["Alias"]["Properties"]["ProvisionedConcurrencyConfig"] == {"ProvisionedConcurrentExecutions": 2}
    assert not of_type(resources, "AWS::IAM::Role")


def test_another_image_and_another_setting_are_another_version(packaged: Packaged, tmp_path: Path) -> None:
    other = packaged_service(tmp_path, SPECS["image"], IMAGE.replace(DIGEST, "sha256:" + "1" * 64))["Resources"]
    each = (packaged("image"), packaged("everything"), other)
    assert len({id for resources in each for id in of_type(resources, "AWS::Lambda::Version")}) == 3


@pytest.mark.parametrize(
    ("function", "expected"), [("cola", "cola"), ("cola_eu.x", "cola-eu-x"), ("7b", "mlspec-7b"), ("c", "mlspec-c")]
)
def test_a_stack_has_a_name_that_cloudformation_takes(function: str, expected: str) -> None:
    assert service_name(function) == expected


def test_only_serverless_gets_the_files(tmp_path: Path) -> None:
    for iac in ("none", "sam", "terraform"):
        spec = SPECS["http-api"].replace("iac: serverless", f"iac: {iac}")
        assert not [path for path in files(tmp_path, spec) if path.startswith("serverless/")]


@pytest.mark.parametrize(
    ("deploy", "expected"),
    [
        ("{iac: serverless, lambda: {}}", []),
        ("{iac: serverless}", ["section-needed"]),
        ("{iac: serverless, lambda: {environment: {Ref: x}}}", ["template-text"]),
        (
            "{iac: serverless, lambda: {}, rollout: {strategy: canary, steps: [10, 50, 100], abort_if: {error_rate: '> 0.1'}}}",
            ["rollout-not-in-codedeploy"],
        ),
    ],
)
def test_findings(deploy: str, expected: list[str], tmp_path: Path) -> None:
    base = SPECS["image"].partition("deploy:")[0]
    assert codes(tmp_path, base + f"deploy: {deploy}\n") == expected
