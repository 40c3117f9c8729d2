"""The plan of a deployment: what a person is shown is what is executed, in that order."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from mlspec.aws.action import lines
from mlspec.aws.alias import Alias
from mlspec.aws.desired import DesiredFunction, desired_function
from mlspec.aws.known_after_apply import SHOWN
from mlspec.aws.published_version import NEXT
from mlspec.compiler import compile_project
from mlspec.errors import StageError
from mlspec.shipping import remote_changes
from mlspec.shipping.deployment import Deployment
from tests.shipping.cloud import Shipped, move_alias, watched

Make = Callable[..., Shipped]


def desired(project: Shipped) -> DesiredFunction:
    """The function with the image that was pushed."""
    return desired_function(project.target, project.job(), project.release["image"]["digest"])


def shape(project: Shipped) -> list[str]:
    """Kind and operation of each action of the plan."""
    return [f"{action.kind} {action.operation}" for action in Deployment(desired(project)).plan().actions]


FIRST = ["role create", "log-group create", "log-group create", "function create", "release-history create",
         "version publish", "release-history record", "image-tag create", "alias create"]  # fmt: skip


def test_what_was_planned_is_what_deploying_reports(shipped: Make, capsys: pytest.CaptureFixture[str]) -> None:
    project = shipped("{url: true, concurrency: {reserved: 2}}")
    project.push()
    plan = Deployment(desired(project)).plan()
    assert (plan.live, plan.version) == (None, NEXT)
    assert [f"{a.kind} {a.operation}" for a in plan.actions] == [
        *FIRST[:4], "reserved-concurrency set", *FIRST[4:], "function-url create",
    ]  # fmt: skip
    capsys.readouterr()
    project.deploy()
    reported = [line for line in capsys.readouterr().out.splitlines() if line[:2] in ("+ ", "~ ", "- ")]
    assert reported == lines(a.resolved({"version": "1"}) for a in plan.actions if a.operation != "record")
    assert shape(project) == []


def test_a_second_version_is_followed_by_the_tags_that_expire(shipped: Make) -> None:
    project = shipped("{memory: 512}")
    project.push()
    project.deploy()
    project.image("two")
    project.push()
    again = ["function set-code", "version publish", "release-history record", "image-tag create", "alias move"]
    assert shape(project) == again
    project.deploy()
    project.image("three")
    project.push()
    plan = Deployment(desired(project)).plan()
    assert shape(project) == [*again, "image-tag delete"]
    assert [action.name for action in plan.expired] == ["keep-1"]
    project.deploy()
    kept = {tag for tag in tags(project) if tag.startswith("keep-")}
    assert kept == {"keep-2", "keep-3"}


def tags(project: Shipped) -> set[str]:
    images = project.target.client("ecr").list_images(repositoryName=project.root.name)["imageIds"]
    return {image["imageTag"] for image in images if "imageTag" in image}


def test_a_split_alias_is_shown_with_its_shares(shipped: Make) -> None:
    project = shipped("{memory: 512}")
    project.push()
    project.deploy()
    project.image("two")
    project.push()
    project.deploy()
    move_alias(project, Alias("live", "1", "2", 0.25))
    (action,) = Deployment(desired(project)).plan().roll_out.moves
    assert list(action.lines()) == ["~ lambda alias live version: {1: 0.75, 2: 0.25} -> 2"]


def test_a_plan_is_plain_json(shipped: Make) -> None:
    project = shipped("{url: {auth: none}}")
    project.push()
    actions = Deployment(desired(project)).plan().actions
    assert json.loads(json.dumps([[a.kind, a.operation, dict(a.arguments), *a.rows()] for a in actions]))


def test_what_a_stack_has_released_is_recorded_and_its_image_kept(shipped: Make) -> None:
    project = shipped()
    project.push()
    project.deploy()
    first = project.release["image"]["digest"]
    project.spec("deploy: {lambda:", "deploy: {iac: sam, lambda:")
    project.image("two")
    spec = compile_project(project.root / "mlproject.yaml").project
    assert lines(remote_changes.deploy(spec, project.artifacts, project.context, project.target)) == [
        f"+ release history /mlspec/{project.root.name} events: published",
        f"+ ecr tag keep-{SHOWN}: {SHOWN}",
        "~ record artifacts/release.json: function, rollout",
    ], "a version that the stack is still to publish"
    project.push()
    with pytest.raises(StageError, match="the stack does not run this release: ~ lambda function") as caught:
        project.deploy()
    assert caught.value.help.endswith("mlspec apply --until sam-service")

    release_as_a_stack_does(project)
    calls = watched(project.target)
    project.deploy()
    assert calls.changing == ["api.ecr:PutImage"], "the alias and the function are the stack's"
    release = project.release
    assert (release["function"]["version"], release["image"]["digest"] != first) == ("2", True)
    images = project.target.client("ecr").describe_images(repositoryName=project.root.name)["imageDetails"]
    kept = {tag for image in images for tag in image.get("imageTags", []) if tag.startswith("keep-")}
    assert kept == {"keep-1", "keep-2"}
    assert lines(remote_changes.deploy(spec, project.artifacts, project.context, project.target)) == []


def release_as_a_stack_does(project: Shipped) -> None:
    """A new version of the function with the image that was pushed last, and all traffic to it."""
    client, name = project.target.client("lambda"), project.root.name
    uri = f"{project.target.registry}/{name}@{project.release['image']['digest']}"
    client.update_function_code(FunctionName=name, ImageUri=uri)
    version = client.publish_version(FunctionName=name)["Version"]
    client.update_alias(FunctionName=name, Name="live", FunctionVersion=version)
