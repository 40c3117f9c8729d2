"""The SAM command line against an emulated AWS: what it sends is what a plan shows, and what it creates is what mlspec
would create itself."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlspec.aws.action import Action, lines
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.known_after_apply import SHOWN
from mlspec.cloudformation.existing_stack import read_stack
from mlspec.compiler import compile_project
from mlspec.errors import StageError
from mlspec.parts.sam import stack_preview, work
from mlspec.stage_context import StageContext
from tests.parts.sam.sam_environment import sam_folder
from tests.shipping.cloud import Run, Shipped
from tests.shipping.deployed_stacks import (
    assert_deployed_with_everything,
    assert_named_by_cloudformation,
    left,
    stacked_zip,
)
from tests.shipping.shown_requests import BUCKET, CI, FUNCTION, Watch

Make = Callable[..., Shipped]
pytestmark = pytest.mark.slow


@pytest.fixture
def target(stack_target: AwsTarget) -> AwsTarget:
    """An account that deploys stacks."""
    return stack_target


@pytest.fixture(autouse=True)
def sam(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program, from an environment of its own; it looks more often than every 5 s how far a stack is."""
    monkeypatch.setenv("PATH", f"{sam_folder() / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SAM_CLI_POLL_DELAY", "0.2")


def planned(project: Shipped, stage: str, *, change_set: bool = False) -> list[str]:
    """The lines of the plan of a stage."""
    spec = compile_project(project.root / "mlproject.yaml").project
    observe: dict[str, Callable[..., list[Action]]] = {
        "sam-foundation": stack_preview.foundation,
        "sam-service": stack_preview.service,
    }
    return lines(observe[stage](spec, project.artifacts, StageContext(change_set=change_set), project.target))


def live(project: Shipped) -> dict[str, Any]:
    """The configuration of the live version."""
    version: dict[str, Any] = project.target.client("lambda").get_function(
        FunctionName=project.root.name, Qualifier="live"
    )
    return version["Configuration"] | {"Image": version["Code"]["ImageUri"]}


def test_the_life_of_both_stacks(shipped: Make, mlspec: Run, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    project = shipped(FUNCTION.replace("{url", "{environment: {TOKEN: {env: SERVICE_TOKEN}}, url"), CI + BUCKET)
    name, secret = project.root.name, 'a "secret": #1'
    monkeypatch.setenv("SERVICE_TOKEN", secret)
    project.spec("deploy: {lambda:", "deploy: {iac: sam, lambda:")
    watched = watch(project, (stack_preview.foundation, stack_preview.service), work.deploy)
    first = watched.plan()
    assert [line for line in lines(first) if "-foundation" in line] == [
        f"+ cloudformation stack {name}-foundation Repository: AWS::ECR::Repository",
        f"+ cloudformation stack {name}-foundation GithubOidcProvider: AWS::IAM::OIDCProvider",
        f"+ cloudformation stack {name}-foundation ReleaseRole: AWS::IAM::Role",
        f"+ cloudformation stack {name}-foundation Bucket: AWS::S3::Bucket",
        f"+ cloudformation stack {name}-foundation BucketPolicy: AWS::S3::BucketPolicy",
    ]
    project.write_files()
    with pytest.raises(StageError, match="nothing was pushed yet"):
        work.deploy(project.job(), "service", project.target)
    watched.execute()
    assert watched.not_shown(first) == []
    assert watched.not_shown([one for one in first if one.kind != "stack"]), "the test of the test"
    assert {"CreateChangeSet", "ExecuteChangeSet"} <= {request.operation for request in watched.seen.changing}
    assert {"CreateLogStream", "PutLogEvents", "PutImage"} <= {name for _, name, _ in watched.calls.recorded}
    assert watched.plan() == [], "a second run has nothing to do"
    assert watched.direct_plan() == [], "the stacks create what mlspec does without a tool"
    stack = read_stack(project.target, f"{name}-foundation")
    assert stack is not None
    assert stack.tags["mlspec:project"] == name
    assert (live(project)["Version"], live(project)["Environment"]["Variables"]["TOKEN"]) == ("1", secret)
    assert live(project)["Image"].endswith(project.release["image"]["digest"])
    assert not list(project.root.glob(".mlspec/sam/*parameters*")), "the values of secrets are removed"

    project.spec("memory: 512", "memory: 1024")
    assert planned(project, "sam-service") == [f"~ cloudformation stack {name} Function MemorySize: 512 -> 1024"]
    changed = [line.partition(" changes")[0] for line in planned(project, "sam-service", change_set=True)]
    assert f"~ cloudformation stack {name} Function MemorySize" in changed, changed
    assert any(line.startswith(f"+ cloudformation stack {name} FunctionVersion") for line in changed), changed
    project.spec("url: true", "url: {type: http-api, cors_origins: ['https://a.example.org']}")
    project.image("two")
    second = watched.plan()
    assert f"+ ecr tag keep-{SHOWN}: {SHOWN}" in lines(second), "a second version is known to be published"
    project.write_files()
    watched.execute()
    assert watched.not_shown(second) == []
    assert watched.plan() == []
    assert_named_by_cloudformation(project, watched.direct_plan())
    assert (live(project)["Version"], live(project)["MemorySize"]) == ("2", 1024)
    assert live(project)["Image"].endswith(project.release["image"]["digest"])

    project.spec("eu-west-1}}", "eu-west-1, immutable: false}}")
    assert planned(project, "sam-foundation") == [
        f"~ cloudformation stack {name}-foundation Repository ImageTagMutability: IMMUTABLE -> MUTABLE"
    ]
    code, out, err = mlspec(project, "destroy", "--images", "--yes")
    removed = ["cloudformation stack " + name, f"cloudformation stack {name}-foundation", f"ecr repository {name}"]
    assert (code, [f"removed: {one}" for one in removed if f"removed: {one}" not in err.splitlines()]) == (0, []), (
        out + err
    )
    assert left(project.target) == {"iam token.actions.githubusercontent.com"}, "an account has one for all"


def test_a_zip_is_deployed_with_all_that_belongs_to_it(
    target: AwsTarget, tmp_path: Path, mlspec: Run, watch: Watch
) -> None:
    project = stacked_zip(target, tmp_path)
    watched = watch(project, (stack_preview.foundation, stack_preview.service), work.deploy)
    first = watched.plan()
    watched.execute()
    assert watched.not_shown(first) == []
    assert (watched.plan(), watched.direct_plan()) == ([], [])
    code, out, err = mlspec(project, "destroy", "--yes")
    assert (code, left(target)) == (0, {"s3 my-zips"}), out + err
    assert "removed: cloudformation stack cola" in err


def test_a_spec_with_everything_is_deployed_twice(shipped: Make) -> None:
    assert_deployed_with_everything(shipped(), "sam", (stack_preview.foundation, stack_preview.service), work.deploy)


def test_what_could_not_be_created_leaves_nothing(shipped: Make) -> None:
    """`RetainExceptOnCreate`: a log group with logs stays, and one of a failed first deployment is in nobody's way."""
    project = shipped()
    project.spec("deploy: {lambda:", "deploy: {iac: sam, lambda:")
    project.write_files()
    work.deploy(project.job(), "foundation", project.target)
    project.push()
    template = project.root / "sam" / "service.yaml"
    broken = "  Broken:\n    Type: AWS::CloudWatch::Alarm\n    DependsOn: FunctionAliaslive\n\n"
    text = template.read_text().replace("Resources:\n", f"Resources:\n{broken}")
    template.write_text(text)
    line = text[: text.index("  Broken:")].count("\n") + 1
    with pytest.raises(StageError, match=rf"sam/service.yaml:{line}: Broken \(AWS::CloudWatch::Alarm\): "):
        work.deploy(project.job(), "service", project.target)
    name = project.root.name
    stack = read_stack(project.target, name)
    assert stack is not None
    assert stack.status == "ROLLBACK_COMPLETE"
    assert left(project.target) == {f"stack {name}", f"stack {name}-foundation", f"ecr {name}"}
    with pytest.raises(StageError, match="is in the state ROLLBACK_COMPLETE") as raised:
        planned(project, "sam-service")
    assert f"aws cloudformation delete-stack --stack-name {name}" in raised.value.help


def test_destroy_needs_no_stack_that_keeps_what_it_says(shipped: Make, mlspec: Run) -> None:
    """A person may edit the template: the repository is gone with the stack, and the removal goes on."""
    project = shipped("{}", CI)
    project.spec("deploy: {lambda:", "deploy: {iac: sam, lambda:")
    project.write_files()
    template = project.root / "sam" / "foundation.yaml"
    text = template.read_text()
    assert text.count("DeletionPolicy: RetainExceptOnCreate") == 2, "the repository and the OIDC provider"
    template.write_text(text.replace("DeletionPolicy: RetainExceptOnCreate", "DeletionPolicy: Delete"))
    work.deploy(project.job(), "foundation", project.target)
    stack = f"{project.root.name}-foundation"
    code, out, err = mlspec(project, "destroy", "--yes")
    assert code == 0, out + err
    assert read_stack(project.target, stack) is not None, "without --images it stays"
    code, out, err = mlspec(project, "destroy", "--images", "--yes")
    assert code == 0, out + err
    assert f"removed: cloudformation stack {stack}" in err
    assert left(project.target) == set()


def test_a_stack_of_another_project_is_not_changed(shipped: Make) -> None:
    project = shipped()
    project.spec("deploy: {lambda:", "deploy: {iac: sam, lambda:")
    project.write_files()
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
