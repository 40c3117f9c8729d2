"""Services planned, deployed and removed: packaged by osls itself, with a stand-in for CloudFormation's execution.

The emulated CloudFormation knows no alias, no URL and no CodeDeploy, so nothing here proves what AWS creates of a
template; that is judged by cfn-lint and by the comparison with the other tools.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from mlspec.aws.action import lines
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.desired import desired_function
from mlspec.cloudformation.sam_program import run_program
from mlspec.compiler import compile_project
from mlspec.errors import StageError
from mlspec.parts.serverless import service_preview, work
from mlspec.parts.serverless.service_removal import ServiceRemovals, service_removals
from mlspec.records.terraform_outputs import FoundationOutputs, ServiceOutputs
from mlspec.serverless.packaged_service import TEMPLATE
from mlspec.stage_context import StageContext
from tests.parts.serverless.packages import osls
from tests.shipping.cloud import Shipped

CI = "ci: {github: {repository: octo-org/cola}}\n"
pytestmark = pytest.mark.node


@dataclass
class Stacks:
    """Stands in for CloudFormation: it keeps the templates that are deployed, and creates nothing of them."""

    kept: dict[str, dict[str, Any]] = field(default_factory=dict)

    def deploy(self, name: str, template: str, tags: Mapping[str, str]) -> None:
        outputs = json.loads(template).get("Outputs", {})
        self.kept[name] = {
            "TemplateBody": json.loads(template),
            "StackId": name,
            "StackStatus": "UPDATE_COMPLETE",
            "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
            "Outputs": [{"OutputKey": key, "OutputValue": json.dumps(one["Value"])} for key, one in outputs.items()],
        }

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        if StackName in self.kept:
            return {"Stacks": [self.kept[StackName]]}
        error = {"Code": "ValidationError", "Message": f"Stack with id {StackName} does not exist"}
        raise ClientError({"Error": error}, "DescribeStacks")  # type: ignore[typeddict-item]

    def get_template(self, StackName: str, TemplateStage: str) -> dict[str, Any]:
        return self.kept[StackName]

    def get_paginator(self, name: str) -> Stacks:
        return self

    def paginate(self, StackName: str) -> list[dict[str, Any]]:
        ids = self.kept[StackName]["TemplateBody"]["Resources"]
        return [{"StackResourceSummaries": [{"LogicalResourceId": id} for id in ids]}]


@dataclass(frozen=True)
class StackTarget(AwsTarget):
    """The emulated account with a stand-in for its CloudFormation."""

    stacks: Stacks = field(default_factory=Stacks)

    def client(self, service: str) -> Any:
        return self.stacks if service == "cloudformation" else super().client(service)


@dataclass
class StandIn:
    """Runs osls to package a service, and hands to the stand-in of CloudFormation what osls would deploy."""

    stacks: Stacks
    commands: list[str] = field(default_factory=list)
    image: str = ""

    def __call__(self, command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> tuple[int, str]:
        self.commands.append(command[1])
        if command[1] == "package":
            return run_program(command, folder, environ)
        self.image = next((one.removeprefix("--param=image=") for one in command if "image=" in one), self.image)
        if command[1] == "deploy":
            package = Path(command[command.index("--package") + 1])
            provider = json.loads((package / "serverless-state.json").read_text())["service"]["provider"]
            self.stacks.deploy(provider["stackName"], (package / TEMPLATE).read_text(), provider["stackTags"])
        else:
            known = {name.endswith("-foundation"): name for name in self.stacks.kept}
            del self.stacks.kept[known[folder.name == "foundation"]]
        return 0, ""


@dataclass
class Deployed:
    """A project with `iac: serverless` in an emulated account, its image pushed."""

    shipped: Shipped
    program: StandIn

    @property
    def name(self) -> str:
        return self.shipped.root.name

    def planned(self, service: str) -> list[str]:
        project = compile_project(self.shipped.root / "mlproject.yaml").project
        observe: Callable[..., Any] = getattr(service_preview, service)
        return lines(observe(project, self.shipped.artifacts, StageContext(), self.shipped.target, self.program))

    def apply(self, service: str) -> None:
        for file in self.shipped.files():
            path = self.shipped.root / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.text)
        work.apply(self.shipped.job(), service, self.shipped.target, self.program)

    def removals(self, *, images: bool, keep: bool = False) -> ServiceRemovals:
        project = compile_project(self.shipped.root / "mlproject.yaml").project
        desired = desired_function(self.shipped.target, project, "")
        with service_removals(
            project, desired, self.shipped.root, images=images, keep=keep, run=self.program
        ) as removals:
            assert removals is not None
            return removals


@pytest.fixture
def deployed(shipped: Callable[..., Shipped], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Deployed]:
    monkeypatch.setenv("PATH", f"{Path(osls()).parent}{os.pathsep}{os.environ['PATH']}")

    def make(function: str = "{}", more: str = "") -> Deployed:
        project = shipped(function, more)
        project.spec("deploy: {lambda:", "deploy: {iac: serverless, lambda:")
        known = project.target
        target = StackTarget(known.kind, known.region, known.endpoint, known.registry, known.credentials)
        return Deployed(replace(project, target=target), StandIn(target.stacks))

    return make


@pytest.mark.slow
def test_with_a_stand_in_for_cloudformation_services_are_planned_deployed_and_removed(
    deployed: Callable[..., Deployed], capsys: pytest.CaptureFixture[str]
) -> None:
    project = deployed("{url: true, memory: 512}", CI + "bucket: {name: team-models}\n")
    name, root = project.name, project.shipped.root
    project.apply("foundation")
    tags = [{"Key": "mlspec:project", "Value": name}]
    project.shipped.target.client("ecr").create_repository(repositoryName=name, tags=tags)
    client, where = project.shipped.target.client("s3"), {"LocationConstraint": "eu-west-1"}
    client.create_bucket(Bucket="team-models", CreateBucketConfiguration=where)
    client.put_bucket_tagging(Bucket="team-models", Tagging={"TagSet": tags})
    created = f"+ cloudformation stack {name}-foundation Repository: AWS::ECR::Repository"
    assert created in capsys.readouterr().out
    assert "ReleaseRoleArn" in FoundationOutputs.read(project.shipped.artifacts).outputs
    with pytest.raises(StageError, match="nothing was pushed yet"):
        project.apply("service")
    project.shipped.push()

    project.apply("service")
    assert f"+ cloudformation stack {name} Alias: AWS::Lambda::Alias" in capsys.readouterr().out
    assert ServiceOutputs.read(project.shipped.artifacts).outputs.keys() >= {"FunctionName", "AliasArn", "Url"}
    assert project.program.image.endswith(f"/{name}@{project.shipped.release['image']['digest']}")
    assert project.planned("service") == []

    before = (root / "serverless" / "service" / "serverless.yml").read_text()
    project.shipped.spec("memory: 512", "memory: 1024")
    changed = project.planned("service")
    assert f"~ cloudformation stack {name} ServeLambdaFunction MemorySize: 512 -> 1024" in changed
    assert any(line.startswith(f"+ cloudformation stack {name} FunctionVersion") for line in changed)
    assert (root / "serverless" / "service" / "serverless.yml").read_text() == before, "a plan changes no file"

    kept = [(one.action.name, bool(one.kept)) for one in project.removals(images=False).removals]
    assert kept == [(name, False), (f"{name}-foundation", True), (name, True), ("team-models", True)]
    detached = project.removals(images=False, keep=True)
    assert [(one.action.name, one.action.operation) for one in detached.removals] == [
        (name, "detach"),
        (f"{name}-foundation", "detach"),
    ]
    assert {type(one).__name__ for one in detached.stacks.values()} == {"StackDetachment"}
    project.removals(images=True).carry_out(lambda line: None)
    done = [command for command in project.program.commands if command != "package"]
    assert done == ["deploy", "deploy", "remove", "remove"]
    assert project.shipped.target.stacks.kept == {}  # type: ignore[attr-defined]  # the stand-in
    assert project.shipped.target.client("ecr").describe_repositories()["repositories"] == []
    assert client.list_buckets()["Buckets"] == [], "it was empty"


def test_a_stack_that_is_not_ours_is_refused(deployed: Callable[..., Deployed]) -> None:
    project = deployed()
    stacks = project.program.stacks
    stacks.deploy(project.name, "{}", {"mlspec:project": "other"})
    with pytest.raises(StageError, match="exists already: it belongs to the project other"):
        project.planned("service")
    stacks.deploy(project.name, '{"Resources": {"A": {"Type": "X"}}}', {"mlspec:project": project.name})
    with pytest.raises(StageError, match="was not created by the Serverless Framework"):
        project.planned("service")
    stacks.deploy(project.name, "{}", {"mlspec:project": project.name})
    stacks.kept[project.name]["StackStatus"] = "ROLLBACK_COMPLETE"
    with pytest.raises(StageError, match="is in the state ROLLBACK_COMPLETE"):
        project.planned("service")
    assert project.program.commands == [], "nothing is packaged before"


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
    assert project.program.commands == []
