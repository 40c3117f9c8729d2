"""A stack is deleted, and everything in it stays; the direct deployment finds it in place."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest

from mlspec.aws.action import lines
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.function import read_function
from mlspec.aws.resource_tags import tags
from mlspec.cloudformation.existing_stack import read_stack
from mlspec.cloudformation.stack_detachment import kept
from mlspec.parts.sam.sam_templates import UNKNOWN_DIGEST
from mlspec.shipping import remote_changes
from tests.conftest import CHECKOUT
from tests.parts.serverless.packages import package
from tests.shipping.cloud import Run, Shipped
from tests.shipping.shown_requests import CI


def test_every_resource_stays_and_the_template_counts_as_changed() -> None:
    """CloudFormation makes no update that changes policies alone."""
    body = {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "a"}, "Metadata": {"checkov": {}}}
    changed = kept(json.dumps({"Parameters": {"P": {}}, "Resources": {"Role": body}}))
    assert changed["Parameters"] == {"P": {}}
    role = changed["Resources"]["Role"]
    assert (role["DeletionPolicy"], role["Properties"]) == ("Retain", body["Properties"])
    assert role["Metadata"].keys() == {"checkov", "mlspec"}


@pytest.fixture
def target(stack_target: AwsTarget) -> AwsTarget:
    """An account whose CloudFormation creates versions, aliases and addresses."""
    return stack_target


@pytest.fixture(params=["sam", pytest.param("serverless", marks=pytest.mark.node)])
def stacks(shipped: Callable[..., Shipped], request: pytest.FixtureRequest) -> Shipped:
    """A project with both stacks of a tool, which have released its image."""
    project, tool = shipped("{url: true, log_retention: 30, alarms: {error_rate: '> 0.05'}}", CI), request.param
    project.spec("deploy: {lambda:", f"deploy: {{iac: {tool}, lambda:")
    project.write_files()
    github = {"GithubRepository": "octo-org/cola", "CreateOidcProvider": "true"}
    create(project, "foundation", template(project, tool, "foundation", {}), github)
    project.push()
    image = project.release["image"]["uri"]
    create(project, "service", template(project, tool, "service", {"image": image}), {})
    project.deploy()
    return project


def template(project: Shipped, tool: str, service: str, params: Mapping[str, str]) -> str:
    """As `sam deploy` sends it, and as osls packages it."""
    if tool == "serverless":
        return json.dumps(package(project.root, service, params))
    text = (project.root / "sam" / f"{service}.yaml").read_text(encoding="utf-8")
    return text.replace(UNKNOWN_DIGEST, params.get("image", "").partition("@")[2])


def create(project: Shipped, service: str, template: str, parameters: Mapping[str, str]) -> None:
    """Create the stack, with the tags of both tools."""
    client = project.target.client("cloudformation")
    name = project.root.name if service == "service" else f"{project.root.name}-foundation"
    client.create_stack(
        StackName=name,
        TemplateBody=template,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Tags=[{"Key": key, "Value": value} for key, value in tags(project.root.name).items()],
        Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    client.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})


@pytest.mark.parametrize("page", ["sam", "terraform"])
def test_the_pages_name_the_command_of_these_tests(page: str) -> None:
    text = (CHECKOUT / "docs" / "targets" / f"{page}.md").read_text(encoding="utf-8")
    assert "```sh\nmlspec destroy --keep-resources" in text


def served(project: Shipped) -> tuple[object, ...]:
    """The function, the version that is live, and its address."""
    client, name = project.target.client("lambda"), project.root.name
    live = client.get_alias(FunctionName=name, Name="live")
    address = client.get_function_url_config(FunctionName=name, Qualifier="live")
    return read_function(project.target, name), live["FunctionVersion"], live["AliasArn"], address["FunctionUrl"]


@pytest.mark.slow
def test_the_way_back_from_stacks_to_the_direct_deployment(stacks: Shipped, mlspec: Run) -> None:
    name, target = stacks.root.name, stacks.target
    before = served(stacks)
    assert before[1] == "1"
    code, out, err = mlspec(stacks, "destroy", "--keep-resources", "--yes")
    assert code == 0, out + err
    removed = [f"removed: cloudformation stack {stack}" for stack in (name, f"{name}-foundation")]
    assert [line for line in err.splitlines() if line.startswith("removed")] == removed
    assert [read_stack(target, stack) for stack in (name, f"{name}-foundation")] == [None, None]
    assert served(stacks) == before
    assert stacks.release["image"]["tag"], "the record of the release stays"
    (tool,) = {one for one in ("sam", "serverless") if f"iac: {one}" in (stacks.root / "mlproject.yaml").read_text()}
    stacks.spec(f"deploy: {{iac: {tool}, lambda:", "deploy: {lambda:")
    where = (stacks.job(), stacks.artifacts, stacks.context, target)
    assert remote_changes.push(*where) == [], "repository and image are there"
    assert lines(remote_changes.deploy(*where)) == [], "all that the direct deployment needs is there, as it needs it"

    code, out, err = mlspec(stacks, "destroy", "--keep-resources", "--yes")
    assert code == 2
    assert "mlspec manages its resources directly already" in err
