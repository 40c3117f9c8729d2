"""The SAM command line against an emulated AWS.

The emulated CloudFormation knows no transform of SAM and creates neither aliases nor addresses: of the foundation it is
a judge, of the service only of how the stack is deployed and removed. What the service creates is compared in
tests/scenarios/equivalence.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest

from mlspec.aws.action import Action, lines
from mlspec.cloudformation.existing_stack import read_stack
from mlspec.compiler import compile_project
from mlspec.errors import StageError
from mlspec.parts.sam import stack_preview, work
from mlspec.shipping import remote_changes
from tests.parts.sam.sam_environment import sam_folder
from tests.shipping.cloud import Run, Shipped
from tests.shipping.shown_requests import CI, Watch, create_function

Make = Callable[..., Shipped]
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def sam(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program, from an environment of its own."""
    monkeypatch.setenv("PATH", f"{sam_folder() / 'bin'}{os.pathsep}{os.environ['PATH']}")


def write_files(project: Shipped) -> None:
    for file in project.files():
        path = project.root / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text)


def planned(project: Shipped, stage: str) -> list[str]:
    """The lines of the plan of a stage."""
    spec = compile_project(project.root / "mlproject.yaml").project
    observe: dict[str, Callable[..., list[Action]]] = {
        "sam-foundation": stack_preview.foundation,
        "sam-service": stack_preview.service,
        "push": remote_changes.push,
    }
    return lines(observe[stage](spec, project.artifacts, project.context, project.target))


def keep_in_the_emulator(project: Shipped, stack: str) -> None:
    """Give the resources of a stack the one deletion policy that the emulated CloudFormation knows."""
    client = project.target.client("cloudformation")
    body = client.get_template(StackName=stack)["TemplateBody"]
    body = body if isinstance(body, str) else json.dumps(body)
    known = client.describe_stacks(StackName=stack)["Stacks"][0].get("Parameters", [])
    client.update_stack(
        StackName=stack,
        TemplateBody=body.replace("RetainExceptOnCreate", "Retain"),
        Parameters=[{"ParameterKey": one["ParameterKey"], "ParameterValue": one["ParameterValue"]} for one in known],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )


def test_the_life_of_both_stacks(shipped: Make, mlspec: Run, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in the stack of the service is no matter here: see above."""
    project = shipped("{url: true, environment: {TOKEN: {env: SERVICE_TOKEN}}}", CI)
    name = project.root.name
    monkeypatch.setenv("SERVICE_TOKEN", 'a "secret": #1')
    project.spec("deploy: {lambda:", "deploy: {iac: sam, lambda:")
    watched = watch(project, (stack_preview.foundation, stack_preview.service), work.deploy)
    first = watched.plan()
    assert [line for line in lines(first) if "-foundation" in line] == [
        f"+ cloudformation stack {name}-foundation Repository: AWS::ECR::Repository",
        f"+ cloudformation stack {name}-foundation GithubOidcProvider: AWS::IAM::OIDCProvider",
        f"+ cloudformation stack {name}-foundation ReleaseRole: AWS::IAM::Role",
    ]
    write_files(project)
    with pytest.raises(StageError, match="nothing was pushed yet"):
        work.deploy(project.job(), "service", project.target)
    watched.execute(create_function)
    assert watched.not_shown(first) == []
    assert watched.not_shown([one for one in first if one.kind != "stack"]), "the test of the test"
    assert {"CreateChangeSet", "ExecuteChangeSet"} <= {request.operation for request in watched.seen.changing}
    assert {"CreateLogStream", "PutLogEvents", "PutImage"} <= {name for _, name, _ in watched.calls.recorded}
    assert watched.plan() == [], "a second run has nothing to do"
    stack = read_stack(project.target, f"{name}-foundation")
    assert stack is not None
    assert stack.tags["mlspec:project"] == name
    template = project.target.client("cloudformation").get_template(StackName=name)["TemplateBody"]
    assert project.release["image"]["digest"] in json.dumps(template)
    assert not list(project.root.glob(".mlspec/sam/*parameters*")), "the values of secrets are removed"
    project.spec("eu-west-1}}", "eu-west-1, immutable: false}}")
    project.image("two")
    assert [line.split(": ")[0] for line in planned(project, "sam-service")] == [
        f"~ cloudformation stack {name} Function ImageUri"
    ], "of an image that is not pushed"
    assert planned(project, "sam-foundation") == [
        f"~ cloudformation stack {name}-foundation Repository ImageTagMutability: IMMUTABLE -> MUTABLE"
    ]

    keep_in_the_emulator(project, f"{name}-foundation")
    code, out, err = mlspec(project, "destroy", "--images", "--yes")
    removed = ["cloudformation stack " + name, f"cloudformation stack {name}-foundation", f"ecr repository {name}"]
    assert (code, [f"removed: {one}" for one in removed if f"removed: {one}" not in err.splitlines()]) == (0, []), (
        out + err
    )
    assert read_stack(project.target, name) is None
    assert project.target.client("ecr").describe_repositories()["repositories"] == []
    assert not project.target.client("logs").describe_log_groups()["logGroups"], (
        "what a stack keeps is removed after it"
    )


def test_destroy_needs_no_stack_that_keeps_what_it_says(shipped: Make, mlspec: Run) -> None:
    """The emulated CloudFormation takes `RetainExceptOnCreate` for `Delete`, as a person may who edits the template: the
    repository is gone with the stack, and the removal goes on."""
    project = shipped("{}", "ci: {github: {repository: octo-org/cola}}\n")
    project.spec("deploy: {lambda:", "deploy: {iac: sam, lambda:")
    write_files(project)
    work.deploy(project.job(), "foundation", project.target)
    stack = f"{project.root.name}-foundation"
    template = project.target.client("cloudformation").get_template(StackName=stack)["TemplateBody"]
    assert json.dumps(template).count("RetainExceptOnCreate") == 2, "the repository and the OIDC provider"
    code, out, err = mlspec(project, "destroy", "--yes")
    assert code == 0, out + err
    assert read_stack(project.target, stack) is not None, "without --images it stays"
    code, out, err = mlspec(project, "destroy", "--images", "--yes")
    assert code == 0, out + err
    assert f"removed: cloudformation stack {stack}" in err
    assert read_stack(project.target, stack) is None
    assert project.target.client("ecr").describe_repositories()["repositories"] == []


def test_a_stack_of_another_project_is_not_changed(shipped: Make) -> None:
    project = shipped()
    project.spec("deploy: {lambda:", "deploy: {iac: sam, lambda:")
    write_files(project)
    template = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
    client = project.target.client("cloudformation")
    client.create_stack(StackName=project.root.name, TemplateBody=template)
    with pytest.raises(StageError, match="it was not created by mlspec"):
        planned(project, "sam-service")


def test_what_mlspec_created_directly_is_not_taken_over(shipped: Make) -> None:
    project = shipped()
    project.push()
    project.deploy()
    project.spec("deploy: {lambda:", "deploy: {iac: sam, lambda:")
    for stage, resource in (("sam-foundation", "ecr repository"), ("sam-service", "lambda function")):
        with pytest.raises(StageError, match=f"{resource} {project.root.name} exists already") as caught:
            planned(project, stage)
        assert "mlspec apply --adopt" in caught.value.help
