"""What CloudFormation says that a template changes. The emulated one knows resources, and neither properties nor
replacements: these are read from the answers that AWS documents."""

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

GROUP = "Resources: {{Logs: {{Type: 'AWS::Logs::LogGroup', Properties: {{LogGroupName: {}}}}}}}"
BOTH = GROUP.format("one")[:-1] + ", More: {Type: 'AWS::Logs::LogGroup', Properties: {LogGroupName: two}}}"


def change_sets(target: AwsTarget) -> list[Any]:
    listed: list[Any] = target.client("cloudformation").list_change_sets(StackName="cola")["Summaries"]
    return listed


def test_a_new_stack_is_planned_and_nothing_is_left(target: AwsTarget) -> None:
    changes = ChangeSetRequest(target, "cola", None, GROUP.format("one"), {}, {"mlspec:project": "cola"}).changes()
    assert changes == (FieldChange("+", "Logs", new="AWS::Logs::LogGroup"),)
    assert read_stack(target, "cola") is None, "the empty stack that held the change set is deleted"
    assert target.client("logs").describe_log_groups()["logGroups"] == []
    assert change_sets(target) == []


def test_a_change_of_a_stack_is_planned_and_not_executed(target: AwsTarget) -> None:
    target.client("cloudformation").create_stack(StackName="cola", TemplateBody=GROUP.format("one"))
    stack = read_stack(target, "cola")
    assert ChangeSetRequest(target, "cola", stack, GROUP.format("one")).changes() == ()
    changes = ChangeSetRequest(target, "cola", stack, BOTH).changes()
    assert FieldChange("+", "More", new="AWS::Logs::LogGroup") in changes
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
        ("sam", ("Function", "AWS::Serverless::Function")),
        pytest.param(
            "serverless", ("ServeLambdaFunction", "AWS::Lambda::Function"), marks=[pytest.mark.slow, pytest.mark.node]
        ),
    ],
)
def test_a_plan_of_the_full_spec_is_a_change_set_that_is_deleted_again(
    tool: str, function: tuple[str, str], target: AwsTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
        ("service", {**IN_BOTH, function[0]: function[1]}),
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


STACK = Stack("cola", "arn:stack", "UPDATE_COMPLETE", parameters={"SecretToken": "****", "CreateOidcProvider": "true"})


def modified(id: str, replacement: str, *targets: Mapping[str, str]) -> Mapping[str, Any]:
    details = [{"Target": target} for target in targets]
    change = {"Action": "Modify", "LogicalResourceId": id, "ResourceType": "AWS::X", "Replacement": replacement}
    return {"Type": "Resource", "ResourceChange": {**change, "Details": details}}


def test_properties_and_replacements_are_shown() -> None:
    changes = [
        modified("Function", "False", {"Attribute": "Properties", "Name": "MemorySize"}, {"Attribute": "Tags"}),
        modified("Role", "True", {"Attribute": "Properties", "Name": "RoleName"}),
        modified("Alias", "Conditional"),
        {"ResourceChange": {"Action": "Remove", "LogicalResourceId": "Old", "ResourceType": "AWS::Y"}},
    ]
    target = Answering("aws", "eu-west-1", answer={"Status": "CREATE_COMPLETE", "Changes": changes})
    request = ChangeSetRequest(target, "cola", STACK, "{}", {"SecretToken": "", "CreateOidcProvider": "false"})
    assert request.changes() == (
        FieldChange("~", "Function MemorySize"),
        FieldChange("~", "Function Tags"),
        FieldChange("~", "Role RoleName (replaced)"),
        FieldChange("~", "Alias (possibly replaced)"),
        FieldChange("-", "Old", old="AWS::Y"),
    )
    [(_, created), (last, _)] = target.calls
    assert created["ChangeSetType"] == "UPDATE"
    assert created["Parameters"] == [
        {"ParameterKey": "SecretToken", "UsePreviousValue": True},
        {"ParameterKey": "CreateOidcProvider", "ParameterValue": "false"},
    ], "a secret that has no value here keeps that of the stack"
    assert last == "delete"


def test_a_template_that_cloudformation_refuses_is_an_error_and_the_change_set_is_deleted() -> None:
    target = Answering("aws", "eu-west-1", answer={"Status": "FAILED", "StatusReason": "Transform failed: no Role"})
    with pytest.raises(StageError, match="cloudformation refuses the template of cola: Transform failed: no Role"):
        ChangeSetRequest(target, "cola", STACK, "{}").changes()
    assert [call for call, _ in target.calls] == ["create", "delete"]


def test_a_change_set_without_changes_is_accepted() -> None:
    reason = "The submitted information didn't contain changes. Submit different information to create a change set."
    target = Answering("aws", "eu-west-1", answer={"Status": "FAILED", "StatusReason": reason})
    assert ChangeSetRequest(target, "cola", STACK, "{}").changes() == ()
