"""What CloudFormation says that a template changes. What the emulated one never answers is read from the answers that AWS
documents: a transform that fails, and a change without details."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from mlspec.aws.action import FieldChange
from mlspec.aws.aws_target import AwsTarget
from mlspec.cloudformation.change_set import ChangeSetRequest
from mlspec.cloudformation.existing_stack import Stack, read_stack
from mlspec.compiler import compile_project
from mlspec.errors import StageError
from mlspec.parts.sam import stack_preview
from mlspec.parts.serverless import service_preview
from mlspec.stage_context import StageContext
from tests.conftest import CHECKOUT
from tests.parts.serverless.packages import osls
from tests.shipping.cloud import watched


@pytest.fixture
def target(stack_target: AwsTarget) -> AwsTarget:
    """An account whose CloudFormation compares properties."""
    return stack_target


GROUP = "Resources: {{Logs: {{Type: 'AWS::Logs::LogGroup', Properties: {{LogGroupName: {}}}}}}}"
BOTH = GROUP.format("one")[:-1] + ", More: {Type: 'AWS::Logs::LogGroup', Properties: {LogGroupName: two}}}"


def change_sets(target: AwsTarget) -> list[Any]:
    listed: list[Any] = target.client("cloudformation").list_change_sets(StackName="cola")["Summaries"]
    return listed


def created(target: AwsTarget, template: str, **parameters: str) -> Stack:
    """The stack `cola` with that template."""
    client = target.client("cloudformation")
    client.create_stack(
        StackName="cola",
        TemplateBody=template,
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    client.get_waiter("stack_create_complete").wait(StackName="cola", WaiterConfig={"Delay": 1})
    stack = read_stack(target, "cola")
    assert stack
    return stack


def test_a_new_stack_is_planned_and_nothing_is_left(target: AwsTarget) -> None:
    changes = ChangeSetRequest(target, "cola", None, GROUP.format("one"), {}, {"mlspec:project": "cola"}).changes()
    assert changes == (FieldChange("+", "Logs", new="AWS::Logs::LogGroup"),)
    assert read_stack(target, "cola") is None, "the empty stack that held the change set is deleted"
    assert target.client("logs").describe_log_groups()["logGroups"] == []
    assert change_sets(target) == []


def test_a_change_of_a_stack_is_planned_and_not_executed(target: AwsTarget) -> None:
    stack = created(target, GROUP.format("one"))
    assert ChangeSetRequest(target, "cola", stack, GROUP.format("one")).changes() == ()
    changes = ChangeSetRequest(target, "cola", stack, BOTH).changes()
    assert changes == (FieldChange("+", "More", new="AWS::Logs::LogGroup"),)
    assert [group["logGroupName"] for group in target.client("logs").describe_log_groups()["logGroups"]] == ["one"]
    assert read_stack(target, "cola") == stack
    assert change_sets(target) == []


def test_a_template_that_does_not_fit_a_request_is_refused_before_anything_is_written(target: AwsTarget) -> None:
    with pytest.raises(StageError, match="longer than 51200 bytes"):
        ChangeSetRequest(target, "cola", None, GROUP.format("one") + "\n" + "#" * 51_200).changes()
    assert read_stack(target, "cola") is None


FULL = CHECKOUT / "specs" / "full" / "mlproject.yaml"
IN_BOTH = {
    "Role": "AWS::IAM::Role",
    "ReleaseLogGroup": "AWS::Logs::LogGroup",
    "ErrorRateAlarm": "AWS::CloudWatch::Alarm",
    "ServiceErrorRateAlarm": "AWS::CloudWatch::Alarm",
    "CodeDeployRole": "AWS::IAM::Role",
}


@pytest.mark.parametrize(
    ("tool", "function"),
    [
        ("sam", "Function"),
        pytest.param("serverless", "ServeLambdaFunction", marks=[pytest.mark.slow, pytest.mark.node]),
    ],
)
def test_a_plan_of_the_full_spec_is_a_change_set_that_is_deleted_again(
    tool: str, function: str, target: AwsTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The templates of every section of the language: they fit a request."""
    text = FULL.read_text(encoding="utf-8").replace("iac: terraform", f"iac: {tool}")
    text = text.replace("steps: [10, 50, 100]", "steps: [10, 100]").replace("${project.name}-data", "cola-data")
    (tmp_path / "mlproject.yaml").write_text(text.replace('schedule: "0 3 * * 1",', "repository: octo-org/cola,"))
    project = compile_project(tmp_path / "mlproject.yaml").project
    if tool == "serverless":
        monkeypatch.setenv("PATH", f"{Path(osls()).parent}{os.pathsep}{os.environ['PATH']}")
    preview = {"sam": stack_preview, "serverless": service_preview}[tool]
    context = StageContext(root=tmp_path, change_set=True)
    for part, expected in (
        ("foundation", {"Repository": "AWS::ECR::Repository", "ReleaseRole": "AWS::IAM::Role"}),
        ("service", {**IN_BOTH, function: "AWS::Lambda::Function"}),
    ):
        [action] = getattr(preview, part)(project, tmp_path / "artifacts", context, target)
        shown = {change.field: change.new for change in action.changes}
        assert {name: shown.get(name) for name in expected} == expected
        assert {change.sign for change in action.changes} == {"+"}
        assert read_stack(target, action.name) is None
    assert target.client("iam").list_roles()["Roles"] == []
    assert target.client("ecr").describe_repositories()["repositories"] == []


@dataclass(frozen=True)
class Answering(AwsTarget):
    """Stands in for CloudFormation: its answer is a change set as AWS documents it."""

    answer: Mapping[str, Any] = field(default_factory=dict)
    calls: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def client(self, service: str) -> Any:
        assert service == "cloudformation"
        return self

    def create_change_set(self, **given: Any) -> Mapping[str, str]:
        self.calls.append(("create", given))
        return {"Id": "arn:change-set"}

    def delete_change_set(self, **given: Any) -> None:
        self.calls.append(("delete", given))

    def get_waiter(self, name: str) -> Any:
        assert name == "change_set_create_complete"
        return self

    def wait(self, **_: Any) -> None:
        if self.answer["Status"] == "FAILED":
            raise WaiterError("ChangeSetCreateComplete", "failed", {})

    def get_paginator(self, name: str) -> Any:
        assert name == "describe_change_set"
        return self

    def paginate(self, **_: Any) -> Sequence[Mapping[str, Any]]:
        return [self.answer, {}]

    def describe_change_set(self, **_: Any) -> Mapping[str, Any]:
        return self.answer


STACK = Stack("cola", "arn:stack", "UPDATE_COMPLETE")
SERVICE = """\
Transform: AWS::Serverless-2016-10-31
Parameters:
  SecretToken: {Type: String, NoEcho: true}
  CreateOidcProvider: {Type: String}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      RoleName: cola
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Action: "sts:AssumeRole", Principal: {Service: lambda.amazonaws.com}}]
  Function:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: cola
      Role: arn:aws:iam::123456789012:role/cola
      Runtime: python3.12
      Handler: index.handle
      InlineCode: "def handle(event, context): pass"
      MemorySize: 512
      Tags: {team: a}
      AutoPublishAlias: live
      AutoPublishAliasAllProperties: true
      Environment: {Variables: {TOKEN: !Ref SecretToken, CREATE: !Ref CreateOidcProvider}}
  Named:
    Type: AWS::Logs::LogGroup
    Properties: {LogGroupName: !Ref Role}
  Old:
    Type: AWS::Logs::LogGroup
"""


def test_properties_and_replacements_are_shown(target: AwsTarget) -> None:
    stack, calls = created(target, SERVICE, SecretToken="s", CreateOidcProvider="true"), watched(target)
    text = SERVICE.replace("512", "1024").replace("RoleName: cola", "RoleName: other").partition("  Old:")[0]
    request = ChangeSetRequest(target, "cola", stack, text, {"SecretToken": "", "CreateOidcProvider": "true"})
    version = ("FunctionVersion", "AWS::Lambda::Version")
    assert {
        (one.sign, one.field[: -10 if version[0] in one.field else None], one.old, one.new) for one in request.changes()
    } == {
        ("~", "Function MemorySize", None, None),
        ("+", version[0], None, version[1]),
        ("-", version[0], version[1], None),
        ("~", "Role RoleName (replaced)", None, None),
        ("~", "Named LogGroupName (possibly replaced)", None, None),
        ("-", "Old", "AWS::Logs::LogGroup", None),
    }
    [sent] = [given for _, operation, given in calls.recorded if operation == "CreateChangeSet"]
    assert sent["ChangeSetType"] == "UPDATE"
    assert sent["Parameters"] == [
        {"ParameterKey": "SecretToken", "UsePreviousValue": True},
        {"ParameterKey": "CreateOidcProvider", "ParameterValue": "true"},
    ], "a secret that has no value here keeps that of the stack"
    assert change_sets(target) == []


def test_parameters_and_tags_change_properties(target: AwsTarget) -> None:
    stack = created(target, SERVICE, SecretToken="s", CreateOidcProvider="true")

    def changes(text: str = SERVICE, secret: str = "", create: str = "true") -> set[str]:
        parameters = {"SecretToken": secret, "CreateOidcProvider": create}
        request = ChangeSetRequest(target, "cola", stack, text, parameters)
        return {one.field for one in request.changes() if "Version" not in one.field}

    assert changes() == set(), "the secret without a value is that of the stack"
    assert changes(secret="another") == changes(create="false") == {"Function Environment"}
    assert changes(SERVICE.replace("team: a", "team: b")) == {"Function Tags"}


def test_a_change_without_details_is_one_line() -> None:
    """As AWS documents it; the emulated CloudFormation names each property."""
    change = {"Action": "Modify", "LogicalResourceId": "Alias", "ResourceType": "AWS::X", "Replacement": "Conditional"}
    answer = {"Status": "CREATE_COMPLETE", "Changes": [{"Type": "Resource", "ResourceChange": change}]}
    target = Answering("aws", "eu-west-1", answer=answer)
    assert ChangeSetRequest(target, "cola", STACK, "{}").changes() == (FieldChange("~", "Alias (possibly replaced)"),)
    assert [call for call, _ in target.calls] == ["create", "delete"]


def test_a_transform_that_fails_is_an_error_and_the_change_set_is_deleted() -> None:
    """The emulated CloudFormation refuses the request itself."""
    target = Answering("aws", "eu-west-1", answer={"Status": "FAILED", "StatusReason": "Transform failed: no Role"})
    with pytest.raises(StageError, match="cloudformation refuses the template of cola: Transform failed: no Role"):
        ChangeSetRequest(target, "cola", STACK, "{}").changes()
    assert [call for call, _ in target.calls] == ["create", "delete"]
