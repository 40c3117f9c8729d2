"""A deployment that fails: its message names the place in the template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from mlspec.aws.action import Action
from mlspec.aws.aws_target import AwsTarget
from mlspec.cloudformation.existing_stack import read_stack
from mlspec.cloudformation.sam_program import SamDeployment
from mlspec.cloudformation.stack_provider import StackProvider, line_of
from mlspec.errors import StageError

TEMPLATE = """\
Resources:
  Role:
    Type: AWS::IAM::Role

  Function:
    Type: AWS::Serverless::Function
"""
STACK = {"StackId": "arn:stack", "StackStatus": "UPDATE_ROLLBACK_COMPLETE"}


@dataclass(frozen=True)
class Account(AwsTarget):
    """A control plane that answers with these events of a stack."""

    events: tuple[Mapping[str, object], ...] = ()

    def client(self, service: str) -> Any:
        assert service == "cloudformation"
        return self

    def describe_stacks(self, **_: object) -> Mapping[str, object]:
        return {"Stacks": [STACK]}

    def get_paginator(self, operation: str) -> Any:
        assert operation == "describe_stack_events"
        return self

    def paginate(self, **_: object) -> Iterator[Mapping[str, object]]:
        yield {"StackEvents": self.events}


def event(id: str, status: str, reason: str, age: timedelta = timedelta()) -> Mapping[str, object]:
    """One event, that long ago."""
    return {
        "LogicalResourceId": id,
        "ResourceType": "AWS::X",
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
        "Timestamp": datetime.now(UTC) - age,
    }


def failure(folder: Path, *events: Mapping[str, object], output: str = "Error: it failed\n") -> str:
    """The message of a deployment that fails, with these events of the stack, the newest first."""
    (folder / "template.yaml").write_text(TEMPLATE)
    commands: list[Sequence[str]] = []

    def run(command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> tuple[int, str]:
        commands.append(command)
        return 1, output

    target = Account("aws", "eu-west-1", events=events)
    deployment = SamDeployment(
        "cola", folder / "t.yaml", folder / "samconfig.toml", "service", "eu-west-1", folder, {}, run=run
    )
    provider = StackProvider(target, folder, "template.yaml", deployment)
    with pytest.raises(StageError) as caught:
        provider.apply(Action("stack", "cola", "deploy", ()))
    assert commands[0][:2] == ["sam", "deploy"]
    return caught.value.message


def test_what_failed_is_named_with_its_line(tmp_path: Path) -> None:
    message = failure(
        tmp_path,
        event("cola", "UPDATE_ROLLBACK_COMPLETE", ""),
        event("FunctionUrl", "CREATE_FAILED", "Resource creation cancelled"),
        event("FunctionAliaslive", "UPDATE_FAILED", "Rollback successful"),
        event("Role", "CREATE_FAILED", "cola already exists"),
        event("Role", "CREATE_FAILED", "of the day before", timedelta(days=1)),
    )
    assert message.split(": ", 1)[1].split("\n  ") == [
        "template.yaml:2: Role (AWS::X): cola already exists",
        "template.yaml:5: FunctionAliaslive (AWS::X): Rollback successful",
    ]


def test_what_a_stack_could_not_create_is_named_with_its_line(stack_target: AwsTarget, tmp_path: Path) -> None:
    """The events of a real failure: the others are of resources that are removed for it."""
    template = "Resources:\n  Other:\n    Type: AWS::Logs::LogGroup\n\n  Bucket:\n" + (
        "    Type: AWS::S3::Bucket\n    Properties: {BucketName: taken}\n    DependsOn: [Other]\n"
    )
    (tmp_path / "template.yaml").write_text(template)
    client = stack_target.client("cloudformation")
    place = {"LocationConstraint": "eu-west-1"}
    stack_target.client("s3").create_bucket(Bucket="taken", CreateBucketConfiguration=place)

    def run(command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> tuple[int, str]:
        client.create_stack(StackName="cola", TemplateBody=template)
        with pytest.raises(WaiterError, match="ROLLBACK_COMPLETE"):
            client.get_waiter("stack_create_complete").wait(StackName="cola", WaiterConfig={"Delay": 1})
        return 1, "Error: it failed"

    deployment = SamDeployment(
        "cola", tmp_path / "t.yaml", tmp_path / "samconfig.toml", "service", "eu-west-1", tmp_path, {}, run=run
    )
    provider = StackProvider(stack_target, tmp_path, "template.yaml", deployment)
    with pytest.raises(StageError) as caught:
        provider.apply(Action("stack", "cola", "deploy", ()))
    [line] = caught.value.message.split(": ", 1)[1].split("\n  ")
    assert line.startswith("template.yaml:5: Bucket (AWS::S3::Bucket): ")
    assert line.endswith("'taken' already exists.")
    provider.apply(Action("stack", "cola", "delete", ()))
    assert read_stack(stack_target, "cola") is None


def test_without_an_event_the_output_is_shown(tmp_path: Path) -> None:
    output = "\n".join(f"line {number}" for number in range(100)) + "\nError: Unable to locate credentials\n"
    message = failure(tmp_path, output=output)
    assert message == "sam deploy of cola failed: Unable to locate credentials"
    assert failure(tmp_path, output="one\ntwo\n") == "sam deploy of cola failed: one\n  two"


@pytest.mark.parametrize(("id", "line"), [("Role", 2), ("FunctionVersionabc", 5), ("Function", 5), ("Other", 0)])
def test_line_of_a_resource(id: str, line: int) -> None:
    assert line_of(id, TEMPLATE) == line
