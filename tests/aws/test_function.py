"""What an emulated Lambda does not know: revisions, warm copies, settings that it keeps to itself. Its answers are
stubbed here, and held by botocore to Lambda's own shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber
from mlspec.aws.change import told

from mlspec.aws import concurrency, function, published_version
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.cli_input import Function
from mlspec.aws.desired import DesiredFunction
from mlspec.compiler import compile_project
from mlspec.docker.client import isolated
from mlspec.errors import StageError
from mlspec.sections.deploy import Deploy
from mlspec.sections.package import Package
from mlspec.sections.registry import Registry
from tests.parts.targets import BASE, PACKAGE, REGISTRY

DIGEST = "sha256:" + "1" * 64
WHICH = {"FunctionName": "cola", "Qualifier": "live"}
TARGET = AwsTarget("aws", "eu-west-1", "http://127.0.0.1:9", "", ("testing", "testing"))


def wanted(folder: Path, options: str) -> DesiredFunction:
    (folder / "mlproject.yaml").write_text(BASE + PACKAGE + REGISTRY + f"deploy: {{lambda: {options}}}\n")
    project = compile_project(folder / "mlproject.yaml").project
    lambda_ = project.need(Deploy).lambda_
    assert lambda_ is not None
    made = Function(project.info, lambda_, project.need(Package), project.need(Registry).ecr)
    return DesiredFunction(
        AwsTarget("aws", "eu-west-1", None, "", ("testing", "testing")), made, f"host/cola@{DIGEST}", {}
    )


def answer(wanted: DesiredFunction, **changes: Any) -> dict[str, Any]:
    """GetFunction's answer where all is as wanted, in Lambda's own form."""
    given = wanted.input()
    logging = {**given["LoggingConfig"], "ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO"}
    config = {key: given[key] for key in ("Description", "Role", "MemorySize", "Timeout", "EphemeralStorage",
                                          "TracingConfig", "Architectures", "PackageType")}  # fmt: skip
    config |= {"ImageConfigResponse": {"ImageConfig": given["ImageConfig"]}, "LoggingConfig": logging, **changes}
    code = {"ImageUri": wanted.image, "ResolvedImageUri": wanted.image}
    return {"Configuration": config, "Code": code, "Tags": given["Tags"]}


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
    asked = wanted(tmp_path, options)
    found = function.steps(asked, answer(asked, **there))
    assert [told(change) for step in found for change in step.changes] == shown


def test_a_write_names_the_state_that_it_was_read_in() -> None:
    client = TARGET.client("lambda")
    with Stubber(client) as stub:
        state = {"State": "Active", "RevisionId": "7"}
        stub.add_response("get_function_configuration", state, {"FunctionName": "cola"})
        stub.add_response(
            "update_function_configuration", {}, {"FunctionName": "cola", "Timeout": 3, "RevisionId": "7"}
        )
        function.when_free(TARGET, "cola", lambda **given: client.update_function_configuration(Timeout=3, **given))
        stub.assert_no_pending_responses()


def test_what_failed_before_is_mended_by_a_change() -> None:
    client = TARGET.client("lambda")
    failed = {"State": "Active", "LastUpdateStatus": "Failed", "LastUpdateStatusReasonCode": "ImageDeleted"}
    with Stubber(client) as stub:
        stub.add_response("get_function_configuration", failed, {"FunctionName": "cola"})
        stub.add_response("update_function_code", {}, {"FunctionName": "cola", "ImageUri": "x"})
        function.when_free(TARGET, "cola", lambda **given: client.update_function_code(ImageUri="x", **given))
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("key", "one", "other"),
    [
        ("CodeSha256", "a", "b"),
        ("Timeout", 3, 4),
        ("MemorySize", 128, 256),
        ("Role", "a", "b"),
        ("Environment", {"Variables": {"A": "1"}}, None),
        ("VpcConfig", {"SubnetIds": ["a"]}, None),
        ("ImageConfigResponse", {"ImageConfig": {"Command": ["a"]}}, {"ImageConfig": {"Command": ["b"]}}),
    ],
)
def test_versions_that_differ(key: str, one: Any, other: Any) -> None:
    base = {"CodeSha256": "a", "Timeout": 3, "Description": "first"}
    assert published_version.same({**base, key: one}, {**base, key: one, "Description": "second", "RevisionId": "9"})
    assert not published_version.same({**base, key: one}, {**base, key: other})


def warm(folder: Path, options: str) -> tuple[DesiredFunction, Stubber]:
    asked = wanted(folder, options)
    return asked, Stubber(asked.target.client("lambda"))


def test_warm_copies_come_go_and_fail(tmp_path: Path) -> None:
    read, found = "get_provisioned_concurrency_config", {"RequestedProvisionedConcurrentExecutions": 2}
    asked, stub = warm(tmp_path, "{concurrency: {provisioned: 5}}")
    with stub:
        stub.add_response(read, found, WHICH)
        (step,) = concurrency.provisioned(asked)
        assert [told(c) for c in step.changes] == ["~ lambda alias live provisioned concurrency: 2 -> 5"]
        given = {**WHICH, "ProvisionedConcurrentExecutions": 5}
        stub.add_response("put_provisioned_concurrency_config", {}, given)
        stub.add_response(read, {"Status": "IN_PROGRESS"}, WHICH)
        stub.add_response(read, {"Status": "READY"}, WHICH)
        step.act()
        stub.add_response("put_provisioned_concurrency_config", {}, given)
        stub.add_response(read, {"Status": "FAILED", "StatusReason": "FUNCTION_ERROR_INIT_FAILURE"}, WHICH)
        with pytest.raises(StageError, match="cannot keep 5 copies warm: FUNCTION_ERROR_INIT_FAILURE"):
            step.act()
    asked, stub = warm(tmp_path, "{}")
    with stub:
        stub.add_response(read, found, WHICH)
        (step,) = concurrency.provisioned(asked)
        assert [told(c) for c in step.changes] == ["- lambda alias live provisioned concurrency: 2"]
        stub.add_client_error(read, "ProvisionedConcurrencyConfigNotFoundException", http_status_code=404)
        assert concurrency.provisioned(asked) == []


def test_docker_has_a_configuration_of_its_own(docker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "mine"))
    with isolated(tmp_path) as client:
        folder = Path(client.environment["DOCKER_CONFIG"])
        assert folder.parent == tmp_path
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()
