"""A stack is deleted, and everything in it stays; the direct deployment finds it in place. The emulated CloudFormation knows
no transform of SAM: the stacks have the resources that it creates."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from mlspec.aws.desired import desired_function
from mlspec.aws.function import read_function
from mlspec.aws.resources import ROLE_POLICY
from mlspec.cloudformation.existing_stack import read_stack
from mlspec.cloudformation.stack_detachment import kept
from mlspec.parts.cloudformation import service_resources
from mlspec.shipping import remote_changes
from tests.conftest import CHECKOUT
from tests.parts.serverless.packages import package
from tests.shipping.cloud import Run, Shipped
from tests.shipping.shown_requests import CI, create_function


def test_every_resource_stays_and_the_template_counts_as_changed() -> None:
    """CloudFormation makes no update that changes policies alone."""
    body = {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "a"}, "Metadata": {"checkov": {}}}
    changed = kept(json.dumps({"Parameters": {"P": {}}, "Resources": {"Role": body}}))
    assert changed["Parameters"] == {"P": {}}
    role = changed["Resources"]["Role"]
    assert (role["DeletionPolicy"], role["Properties"]) == ("Retain", body["Properties"])
    assert role["Metadata"].keys() == {"checkov", "mlspec"}


@pytest.fixture(params=["sam", pytest.param("serverless", marks=[pytest.mark.node, pytest.mark.slow])])
def stacks(shipped: Callable[..., Shipped], request: pytest.FixtureRequest) -> Shipped:
    """A project with both stacks of a tool, its image pushed."""
    project = shipped("{log_retention: 30}", CI)
    project.spec("deploy: {lambda:", f"deploy: {{iac: {request.param}, lambda:")
    create(
        project,
        f"{project.root.name}-foundation",
        foundation(project, request.param),
        GithubRepository="octo-org/cola",
        CreateOidcProvider="true",
    )
    project.push()
    spec = desired_function(project.target, project.job(), "").spec
    role = service_resources.role(spec)
    assert role is not None
    resources = {one.id: one.to_json() for one in (role, *service_resources.log_groups(spec))}
    create(project, project.root.name, json.dumps({"Resources": resources}))
    create_function(project)
    return project


def foundation(project: Shipped, tool: str) -> str:
    """The template of the foundation, of Serverless as osls packages it."""
    created = {file.path: file.text for file in project.files()}
    if tool == "sam":
        return created["sam/foundation.yaml"]
    for path, text in created.items():
        if path.startswith("serverless/"):
            (project.root / path).parent.mkdir(parents=True, exist_ok=True)
            (project.root / path).write_text(text)
    return json.dumps(package(project.root, "foundation", {}))


def create(project: Shipped, name: str, template: str, **parameters: str) -> None:
    project.target.client("cloudformation").create_stack(
        StackName=name,
        TemplateBody=template,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Tags=[{"Key": "mlspec:project", "Value": project.root.name}],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )


@pytest.mark.parametrize("page", ["sam", "terraform"])
def test_the_pages_name_the_command_of_these_tests(page: str) -> None:
    text = (CHECKOUT / "docs" / "targets" / f"{page}.md").read_text(encoding="utf-8")
    assert "```sh\nmlspec destroy --keep-resources" in text


def test_the_way_back_from_stacks_to_the_direct_deployment(stacks: Shipped, mlspec: Run) -> None:
    name, target = stacks.root.name, stacks.target
    before = read_function(target, name)
    code, out, err = mlspec(stacks, "destroy", "--keep-resources", "--yes")
    assert code == 0, out + err
    removed = [f"removed: cloudformation stack {stack}" for stack in (name, f"{name}-foundation")]
    assert [line for line in err.splitlines() if line.startswith("removed")] == removed
    assert [read_stack(target, stack) for stack in (name, f"{name}-foundation")] == [None, None]
    assert read_function(target, name) == before
    assert stacks.release["image"]["tag"], "the record of the release stays"
    (tool,) = {one for one in ("sam", "serverless") if f"iac: {one}" in (stacks.root / "mlproject.yaml").read_text()}
    stacks.spec(f"deploy: {{iac: {tool}, lambda:", "deploy: {lambda:")
    where = (stacks.job(), stacks.artifacts, stacks.context, target)
    role = desired_function(target, stacks.job(), "").spec.role()
    assert role is not None
    assert role.rights is not None
    policy = {"PolicyName": ROLE_POLICY, "PolicyDocument": role.rights.to_text()}  # the emulator keeps no JSON of it
    target.client("iam").put_role_policy(RoleName=name, **policy)
    assert {action.kind for action in remote_changes.push(*where)} <= {"repository"}, "the image is there"
    changes = {(action.kind, action.operation) for action in remote_changes.deploy(*where)}
    assert not {kind for kind, operation in changes if operation == "create"} & {
        "function",
        "role",
        "log-group",
        "alias",
    }

    code, out, err = mlspec(stacks, "destroy", "--keep-resources", "--yes")
    assert code == 2
    assert "mlspec manages its resources directly already" in err
