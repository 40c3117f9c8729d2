"""What an emulated Lambda does not know: revisions, warm copies, settings that it keeps to itself. Its answers are
stubbed here, and held by botocore to Lambda's own shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from mlspec.aws.desired import DesiredFunction
from mlspec.aws.function import FunctionProvider
from mlspec.aws.function_resource import Function
from mlspec.aws.function_state import when_free
from mlspec.docker.client import isolated
from tests.aws.functions import OFFLINE, function


def answer(deployed: DesiredFunction, **changes: Any) -> dict[str, Any]:
    """GetFunction's answer where all is as desired, in Lambda's own form."""
    request = deployed.function().to_request()
    logging = {**request["LoggingConfig"], "ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO"}  # type: ignore[dict-item]
    config = {key: request[key] for key in ("Description", "Role", "MemorySize", "Timeout", "EphemeralStorage",
                                            "TracingConfig", "Architectures", "PackageType")}  # fmt: skip
    image = {"ImageConfigResponse": {"ImageConfig": request["ImageConfig"]}}
    code = {"ImageUri": deployed.image, "ResolvedImageUri": deployed.image}
    return {"Configuration": {**config, **image, "LoggingConfig": logging, **changes}, "Code": code,
            "Tags": request["Tags"]}  # fmt: skip


@pytest.mark.parametrize(
    ("options", "there", "shown"),
    [
        ("{}", {}, []),
        ("{}", {"VpcConfig": {"SubnetIds": [], "SecurityGroupIds": [], "VpcId": ""}}, []),
        ("{}", {"TracingConfig": {"Mode": "Active"}},
         ["~ lambda function cola TracingConfig: {Mode: Active} -> {Mode: PassThrough}"]),
        ("{}", {"EphemeralStorage": {"Size": 1024}},
         ["~ lambda function cola EphemeralStorage: {Size: 1024} -> {Size: 512}"]),
        ("{}", {"LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/cola"}},
         ["~ lambda function cola LoggingConfig: {LogFormat: Text, LogGroup: /aws/lambda/cola} -> "
          "{LogFormat: JSON, LogGroup: /aws/lambda/cola}"]),
        ("{}", {"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"], "VpcId": "vpc-1"}},
         ["~ lambda function cola VpcConfig: {SubnetIds: [subnet-1], SecurityGroupIds: [sg-1]} -> "
          "{SubnetIds: [], SecurityGroupIds: []}"]),
        ("{vpc: {subnets: [subnet-1, subnet-2], security_groups: [sg-1]}}",
         {"VpcConfig": {"SubnetIds": ["subnet-2", "subnet-1"], "SecurityGroupIds": ["sg-1"], "VpcId": "vpc-1"}}, []),
        ("{}", {"Architectures": ["arm64"]}, ["~ lambda function cola Architectures: [arm64] -> [x86_64]"]),
        ("{}", {"Environment": {"Variables": {"OLD": "secret"}}}, ["- lambda function cola variable OLD"]),
    ],
)  # fmt: skip
def test_settings_as_lambda_answers_them(options: str, there: dict[str, Any], shown: list[str], tmp_path: Path) -> None:
    deployed = function(OFFLINE, tmp_path, options)
    actions = FunctionProvider(deployed).diff(deployed.function(), Function.from_response(answer(deployed, **there)))
    assert [line for action in actions for line in action.lines()] == shown


def test_a_write_names_the_state_that_it_was_read_in() -> None:
    client = OFFLINE.client("lambda")
    with Stubber(client) as stub:
        state = {"State": "Active", "RevisionId": "7"}
        stub.add_response("get_function_configuration", state, {"FunctionName": "cola"})
        stub.add_response(
            "update_function_configuration", {}, {"FunctionName": "cola", "Timeout": 3, "RevisionId": "7"}
        )
        when_free(OFFLINE, "cola", lambda **given: client.update_function_configuration(Timeout=3, **given))
        stub.assert_no_pending_responses()


def test_a_change_follows_a_failed_update() -> None:
    client = OFFLINE.client("lambda")
    failed = {"State": "Active", "LastUpdateStatus": "Failed", "LastUpdateStatusReasonCode": "ImageDeleted"}
    with Stubber(client) as stub:
        stub.add_response("get_function_configuration", failed, {"FunctionName": "cola"})
        stub.add_response("update_function_code", {}, {"FunctionName": "cola", "ImageUri": "x"})
        when_free(OFFLINE, "cola", lambda **given: client.update_function_code(ImageUri="x", **given))
        stub.assert_no_pending_responses()


def test_docker_has_a_configuration_of_its_own(docker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "mine"))
    with isolated(tmp_path) as client:
        folder = Path(client.environment["DOCKER_CONFIG"])
        assert folder.parent == tmp_path
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()
