"""Services that are refused before anything is packaged or deployed, in an account that has stacks.

What is deployed is in tests/integration/test_serverless.py.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mlspec.aws.action import lines
from mlspec.aws.aws_target import AwsTarget
from mlspec.cloudformation.existing_stack import read_stack
from mlspec.cloudformation.sam_program import run_program
from mlspec.compiler import compile_project
from mlspec.errors import StageError
from mlspec.parts.serverless import service_preview, work
from mlspec.stage_context import StageContext
from tests.parts.serverless.packages import osls
from tests.runtime.callers import until
from tests.shipping.cloud import Shipped

TOPIC = {"Type": "AWS::SNS::Topic"}
pytestmark = pytest.mark.node


@dataclass
class Commands:
    """Runs osls, and notes what it is run for."""

    noted: list[str] = field(default_factory=list)

    def __call__(self, command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> tuple[int, str]:
        self.noted.append(command[1])
        return run_program(command, folder, environ)


@dataclass
class Deployed:
    """A project with `iac: serverless` in an emulated account."""

    shipped: Shipped
    program: Commands

    @property
    def name(self) -> str:
        return self.shipped.root.name

    def planned(self, service: str) -> list[str]:
        project = compile_project(self.shipped.root / "mlproject.yaml").project
        observe: Callable[..., Any] = getattr(service_preview, service)
        return lines(observe(project, self.shipped.artifacts, StageContext(), self.shipped.target, self.program))

    def stack(self, project: str, resource: Mapping[str, object], status: str = "CREATE_COMPLETE") -> None:
        """Create the stack of the service with one resource, in place of any other."""
        client, name = self.shipped.target.client("cloudformation"), self.name
        client.delete_stack(StackName=name)
        until(lambda: read_stack(self.shipped.target, name) is None)
        client.create_stack(
            StackName=name,
            TemplateBody=json.dumps({"Resources": {"A": resource}}),
            Tags=[{"Key": "mlspec:project", "Value": project}],
        )
        until(lambda: client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == status)


@pytest.fixture
def target(stack_target: AwsTarget) -> AwsTarget:
    """An account that deploys stacks."""
    return stack_target


@pytest.fixture
def deployed(shipped: Callable[..., Shipped], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Deployed]:
    monkeypatch.setenv("PATH", f"{Path(osls()).parent}{os.pathsep}{os.environ['PATH']}")

    def make(function: str = "{}") -> Deployed:
        project = shipped(function)
        project.spec("deploy: {lambda:", "deploy: {iac: serverless, lambda:")
        return Deployed(project, Commands())

    return make


def test_a_stack_that_is_not_ours_is_refused(deployed: Callable[..., Deployed]) -> None:
    project = deployed()
    project.stack("other", TOPIC)
    with pytest.raises(StageError, match="exists already: it belongs to the project other"):
        project.planned("service")
    project.stack(project.name, TOPIC)
    with pytest.raises(StageError, match="was not created by the Serverless Framework"):
        project.planned("service")
    project.stack(project.name, {"Type": "AWS::CloudWatch::Alarm"}, "ROLLBACK_COMPLETE")
    with pytest.raises(StageError, match="is in the state ROLLBACK_COMPLETE"):
        project.planned("service")
    assert project.program.noted == [], "nothing is packaged before"


def test_a_function_that_exists_without_a_stack_is_refused(deployed: Callable[..., Deployed]) -> None:
    project = deployed()
    project.shipped.spec("deploy: {iac: serverless, lambda:", "deploy: {lambda:")
    project.shipped.push()
    project.shipped.deploy()
    project.shipped.spec("deploy: {lambda:", "deploy: {iac: serverless, lambda:")
    with pytest.raises(StageError, match="exists already and is not in a stack") as raised:
        project.planned("service")
    assert "mlspec apply --adopt" in raised.value.help
    with pytest.raises(StageError, match=r"ecr repository .* exists already"):
        project.planned("foundation")


def test_a_missing_secret_is_named_with_the_command_that_creates_it(deployed: Callable[..., Deployed]) -> None:
    project = deployed("{environment: {TOKEN: {env: SERVICE_TOKEN}}}")
    secret = f"{project.name}/SERVICE_TOKEN"
    with pytest.raises(StageError, match=f"comes from the secret {secret}") as raised:
        project.planned("service")
    assert f'create-secret --name {secret} --secret-string "$SERVICE_TOKEN"' in raised.value.help


def test_a_rehearsal_runs_nothing(deployed: Callable[..., Deployed], capsys: pytest.CaptureFixture[str]) -> None:
    project = deployed()
    work.apply(project.shipped.job(), "service", AwsTarget("local", "eu-west-1"), project.program)
    assert "without the Serverless Framework" in capsys.readouterr().out
    assert project.program.noted == []
