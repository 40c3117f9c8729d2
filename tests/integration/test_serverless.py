"""osls against an emulated AWS: what it sends is what a plan shows, and what it creates is what mlspec would create
itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlspec.aws.action import lines
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.desired import desired_function
from mlspec.aws.known_after_apply import SHOWN
from mlspec.cloudformation.existing_stack import read_stack
from mlspec.compiler import compile_project
from mlspec.errors import StageError
from mlspec.parts.serverless import service_preview, work
from mlspec.parts.serverless.service_removal import ServiceRemovals, service_removals
from mlspec.records.terraform_outputs import FoundationOutputs, ServiceOutputs
from tests.parts.serverless.packages import osls
from tests.shipping.cloud import Run, Shipped
from tests.shipping.deployed_stacks import (
    assert_deployed_with_everything,
    assert_named_by_cloudformation,
    left,
)
from tests.shipping.shown_requests import BUCKET, CI, FUNCTION, Watch

pytestmark = [pytest.mark.slow, pytest.mark.node]
PREVIEW = (service_preview.foundation, service_preview.service)


@pytest.fixture
def target(stack_target: AwsTarget) -> AwsTarget:
    """An account that deploys stacks."""
    return stack_target


@pytest.fixture(autouse=True)
def _osls(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program; it looks more often than every 5 s how far a stack is."""
    monkeypatch.setenv("PATH", f"{Path(osls()).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SLS_AWS_MONITORING_FREQUENCY", "200")


def live(project: Shipped) -> dict[str, Any]:
    """The live version."""
    version: dict[str, Any] = project.target.client("lambda").get_function(
        FunctionName=project.root.name, Qualifier="live"
    )
    return version


def removals(project: Shipped, *, keep: bool = False) -> ServiceRemovals:
    """What `mlspec destroy` without `--images` removes, with `keep` without what is in the stacks."""
    spec = compile_project(project.root / "mlproject.yaml").project
    with service_removals(
        spec, desired_function(project.target, spec, ""), project.root, images=False, keep=keep
    ) as planned:
        assert planned is not None
        return planned


def test_a_spec_with_everything_is_deployed_twice(shipped: Callable[..., Shipped]) -> None:
    assert_deployed_with_everything(shipped(), "serverless", PREVIEW, work.apply)


def test_the_life_of_both_services(
    shipped: Callable[..., Shipped], mlspec: Run, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = shipped(FUNCTION.replace("{url", "{environment: {TOKEN: {env: SERVICE_TOKEN}}, url"), CI + BUCKET)
    name, secret = project.root.name, 'a "secret": #1'
    monkeypatch.setenv("SERVICE_TOKEN", secret)
    project.target.client("secretsmanager").create_secret(Name=f"{name}/SERVICE_TOKEN", SecretString=secret)
    project.spec("deploy: {lambda:", "deploy: {iac: serverless, lambda:")
    watched = watch(project, PREVIEW, work.apply)
    first = watched.plan()
    assert f"+ cloudformation stack {name}-foundation Repository: AWS::ECR::Repository" in lines(first)
    project.write_files()
    with pytest.raises(StageError, match="nothing was pushed yet"):
        work.apply(project.job(), "service", project.target)
    watched.execute()
    assert watched.not_shown(first) == []
    assert watched.not_shown([one for one in first if one.kind != "stack"]), "the test of the test"
    assert {"CreateChangeSet", "ExecuteChangeSet", "PutObject"} <= {one.operation for one in watched.seen.changing}
    assert {"CreateLogStream", "PutLogEvents", "PutImage"} <= {name for _, name, _ in watched.calls.recorded}
    assert "ReleaseRoleArn" in FoundationOutputs.read(project.artifacts).outputs
    assert ServiceOutputs.read(project.artifacts).outputs.keys() >= {"FunctionName", "AliasArn", "Url"}
    assert watched.direct_plan() == [], "the stacks create what mlspec does without a tool"
    settings = live(project)["Configuration"]
    assert (settings["Version"], settings["Environment"]["Variables"]["TOKEN"]) == ("1", secret)

    project.image("two")
    project.spec("memory: 512", "memory: 1024")
    project.spec("url: true", "url: {type: http-api, cors_origins: ['https://a.example.org']}")
    before = [file.read_text() for file in project.root.glob("serverless/*/serverless.yml")]
    second = watched.plan()
    assert [file.read_text() for file in project.root.glob("serverless/*/serverless.yml")] == before, (
        "a plan only reads"
    )
    assert f"~ cloudformation stack {name} ServeLambdaFunction MemorySize: 512 -> 1024" in lines(second)
    assert any(
        line.startswith(f"~ cloudformation stack {name} ServeLambdaFunction Code: ") for line in lines(second)
    ), "of an image that is not pushed yet"
    assert f"+ ecr tag keep-{SHOWN}: {SHOWN}" in lines(second), "a second version is known to be published"
    project.write_files()
    watched.execute()
    assert watched.not_shown(second) == []
    assert watched.plan() == [], "a second run has nothing to do"
    assert_named_by_cloudformation(project, watched.direct_plan())
    settings = live(project)["Configuration"]
    assert (settings["Version"], settings["MemorySize"]) == ("2", 1024)
    assert live(project)["Code"]["ImageUri"].endswith(project.release["image"]["digest"])

    kept = [(one.action.name, bool(one.kept)) for one in removals(project).removals]
    assert kept == [
        (name, False),
        (f"{name}-foundation", True),
        (f"/aws/lambda/{name}", False),
        (f"/mlspec/{name}", False),
        (name, True),
        ("team-models", True),
    ]
    detached = removals(project, keep=True)
    actions = [(one.action.name, one.action.operation) for one in detached.removals]
    assert actions == [(name, "detach"), (f"{name}-foundation", "detach")]
    assert {type(one).__name__ for one in detached.stacks.values()} == {"StackDetachment"}
    code, out, err = mlspec(project, "destroy", "--images", "--yes")
    assert (code, left(project.target)) == (0, {"iam token.actions.githubusercontent.com"}), out + err
    assert [read_stack(project.target, stack) for stack in (name, f"{name}-foundation")] == [None, None]
