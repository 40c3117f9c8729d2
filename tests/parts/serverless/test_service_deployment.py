"""Services planned, deployed and removed: packaged by osls itself, with a stand-in for CloudFormation's execution.

The emulated CloudFormation knows no alias, no URL and no CodeDeploy, so nothing here proves what AWS creates of a
template; that is judged by cfn-lint and by the comparison with the other tools.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from mlspec.aws.action import lines
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.desired import desired_function
from mlspec.compiler import compile_project
from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.parts.serverless import service_preview, work
from mlspec.parts.serverless.deployed_stack import deployed_stack
from mlspec.parts.serverless.service_removal import service_removals
from mlspec.records.terraform_outputs import FoundationOutputs, ServiceOutputs
from mlspec.serverless.packaged_service import TEMPLATE
from mlspec.serverless.serverless_program import Finished, run
from mlspec.stage_context import StageContext
from tests.parts.serverless.packages import osls
from tests.parts.targets import BASE, PACKAGE

REGISTRY = "registry: {ecr: {repository: cola, region: eu-west-1}}\n"
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
            "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
            "Outputs": [{"OutputKey": key, "OutputValue": json.dumps(one["Value"])} for key, one in outputs.items()],
        }

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        if StackName in self.kept:
            return {"Stacks": [self.kept[StackName]]}
        error = {"Code": "ValidationError", "Message": f"Stack with id {StackName} does not exist"}
        raise ClientError({"Error": error}, "DescribeStacks")  # type: ignore[typeddict-item]

    def get_template(self, StackName: str) -> dict[str, Any]:
        return self.kept[StackName]


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

    def __call__(self, command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> Finished:
        self.commands.append(command[1])
        if command[1] == "package":
            return run(command, folder, environ)
        if command[1] == "deploy":
            package = Path(command[command.index("--package") + 1])
            provider = json.loads((package / "serverless-state.json").read_text())["service"]["provider"]
            self.stacks.deploy(provider["stackName"], (package / TEMPLATE).read_text(), provider["stackTags"])
        else:
            del self.stacks.kept["cola-foundation" if folder.name == "foundation" else "cola"]
        return Finished(0, "")


@dataclass
class Deployed:
    """A project with `iac: serverless` in an emulated account."""

    root: Path
    target: StackTarget
    program: StandIn

    def spec(self, function: str = "{}", more: str = "") -> None:
        deploy = f"deploy: {{iac: serverless, lambda: {function}}}\n"
        (self.root / "mlproject.yaml").write_text(BASE + PACKAGE + REGISTRY + deploy + more)

    def planned(self, service: str) -> list[str]:
        project = compile_project(self.root / "mlproject.yaml").project
        observe: Callable[..., Any] = getattr(service_preview, service)
        return lines(observe(project, self.root / "artifacts", StageContext(), self.target, self.program))

    def apply(self, service: str) -> None:
        built = compile_project(self.root / "mlproject.yaml")
        for file in built.files:
            path = self.root / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.text)
        artifacts, project = self.root / "artifacts", built.project
        job = Job(self.root, artifacts, artifacts, project.values, project.sections, StageContext())
        work.apply(job, service, self.target, self.program)


@pytest.fixture
def deployed(target: AwsTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    monkeypatch.setenv("PATH", f"{Path(osls()).parent}:/usr/bin:/bin")
    (tmp_path / "artifacts").mkdir()
    emulated = StackTarget("aws", "eu-west-1", target.endpoint, target.registry, target.credentials)
    return Deployed(tmp_path, emulated, StandIn(emulated.stacks))


@pytest.mark.slow
def test_with_a_stand_in_for_cloudformation_a_service_is_planned_deployed_and_removed(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed.spec("{url: true, memory: 512}", CI)
    deployed.apply("foundation")
    assert "+ serverless stack cola-foundation AWS::ECR::Repository Repository" in capsys.readouterr().out
    assert "ReleaseRoleArn" in FoundationOutputs.read(deployed.root / "artifacts").outputs
    assert deployed.planned("foundation") == []

    deployed.apply("service")
    assert "+ serverless stack cola AWS::Lambda::Alias Alias" in capsys.readouterr().out
    assert ServiceOutputs.read(deployed.root / "artifacts").outputs.keys() >= {"FunctionName", "AliasArn", "Url"}
    assert deployed.planned("service") == []
    before = (deployed.root / "serverless" / "service" / "serverless.yml").read_text()
    deployed.spec("{url: true, memory: 1024}", CI)
    changed = deployed.planned("service")
    assert "~ serverless stack cola AWS::Lambda::Function ServeLambdaFunction MemorySize: 512 -> 1024" in changed
    assert any(line.startswith("+ serverless stack cola AWS::Lambda::Version FunctionVersion") for line in changed)
    assert (deployed.root / "serverless" / "service" / "serverless.yml").read_text() == before, "a plan changes no file"

    spec = compile_project(deployed.root / "mlproject.yaml").project
    desired = desired_function(deployed.target, spec, "sha256:" + "0" * 64)
    removals = service_removals(spec, desired, deployed.root, images=False, run=deployed.program)
    assert removals is not None
    assert [(one.action.name, bool(one.kept)) for one in removals.removals] == [
        ("cola", False),
        ("cola-foundation", True),
    ]
    removals.carry_out(lambda line: None)
    assert [command for command in deployed.program.commands if command != "package"] == ["deploy", "deploy", "remove"]
    assert list(deployed.target.stacks.kept) == ["cola-foundation"]


def test_a_stack_of_another_project_is_refused(deployed: Deployed) -> None:
    deployed.spec()
    deployed.target.stacks.deploy("cola", "{}", {"mlspec:project": "other"})
    with pytest.raises(StageError, match="cloudformation stack cola exists already: it belongs to the project other"):
        deployed.planned("service")


def test_a_secret_that_the_account_lacks_is_named_with_the_command_that_creates_it(deployed: Deployed) -> None:
    deployed.spec("{environment: {TOKEN: {env: SERVICE_TOKEN}}}")
    with pytest.raises(StageError, match="comes from the secret cola/SERVICE_TOKEN") as raised:
        deployed.planned("service")
    assert 'create-secret --name cola/SERVICE_TOKEN --secret-string "$SERVICE_TOKEN"' in raised.value.help
    assert deployed.program.commands == [], "nothing is packaged before"


def test_a_stack_in_the_account_is_read_with_its_tags_and_outputs(target: AwsTarget) -> None:
    assert deployed_stack(target, "cola") is None
    template = {"Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}}, "Outputs": {"Name": {"Value": {"Ref": "Bucket"}}}}
    tags = [{"Key": "mlspec:project", "Value": "cola"}]
    target.client("cloudformation").create_stack(StackName="cola", TemplateBody=json.dumps(template), Tags=tags)
    stack = deployed_stack(target, "cola")
    assert stack is not None
    assert (list(stack.template.resources), stack.tags, list(stack.outputs)) == (
        ["Bucket"],
        {"mlspec:project": "cola"},
        ["Name"],
    )


def test_a_rehearsal_runs_nothing(deployed: Deployed) -> None:
    deployed.spec()
    local = AwsTarget("local", "eu-west-1")
    work.apply(Job(deployed.root, deployed.root, deployed.root, {}, {}), "service", local, deployed.program)
    assert deployed.program.commands == []
