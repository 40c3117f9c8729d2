"""Every call that changes an account is shown before by an Action of the plan: resource, operation, and the traffic."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlspec.aws.action import Action
from mlspec.aws.alias import AliasProvider
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.desired import desired_function
from mlspec.errors import StageError
from mlspec.parts.deploy import work as deploying
from mlspec.shipping import remote_changes
from mlspec.shipping.rollback import chosen, make_rollback_plan, roll_back
from mlspec.shipping.rollout.traffic_metrics import TrafficMetrics, VersionMetrics
from mlspec.shipping.start_rollout import Published
from mlspec.shipping.versions import version_list
from tests.packaged import EXAMPLES
from tests.shipping.cloud import Calls, Shipped, watched
from tests.shipping.coverage import not_shown
from tests.shipping.zipped import BUCKET, zip_project, zipped

SERVICES = ("ecr", "iam", "lambda", "logs", "sts", "apigatewayv2", "s3")
CANARY = "{rollout: {strategy: canary, steps: [10, 50, 100], abort_if: {error_rate: '> 0.1'}}, lambda: "


@dataclass(frozen=True)
class Traffic:
    """Metrics of versions that answer, or fail, as the bundle does; no time passes but by waiting."""

    error_rate: float = 0.0

    def read(self, version: str, since: float) -> VersionMetrics:
        return VersionMetrics(1000, int(1000 * self.error_rate))

    def invoke(self, version: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return next(dict(each.answer) for each in EXAMPLES if each.row == body)

    def measure(self, published: Published) -> TrafficMetrics:
        moments = itertools.count(1_000_000, 600)
        return TrafficMetrics(self, self, lambda: float(next(moments)), lambda seconds: None)


GOOD, BAD = Traffic(), Traffic(1.0)


@dataclass
class Watched:
    """A project whose calls are recorded."""

    project: Shipped
    calls: Calls

    def plan(self) -> list[Action]:
        """What `mlspec plan` shows before anything is pushed or deployed."""
        project, job = self.project, self.project.job()
        where = (job, project.artifacts, project.context, project.target)
        pushed = remote_changes.push(*where) if "registry:" in (project.root / "mlproject.yaml").read_text() else []
        return [*pushed, *remote_changes.deploy(*where)]

    def apply(self, traffic: Traffic = GOOD) -> list[str]:
        """Plan and execute; the calls that the plan does not show."""
        actions = self.plan()
        self.calls.clear()
        try:
            if any(action.kind in ("repository", "image") for action in actions):
                self.project.push()
            deploying.ship(self.project.job(), self.project.target, traffic.measure)
        finally:
            self.missing = not_shown(self.calls, actions)
        return self.missing

    def live(self) -> str:
        alias = AliasProvider(self.project.target, self.project.root.name).read("live")
        assert alias is not None
        assert alias.other is None
        return alias.version


@pytest.fixture
def canary(shipped: Callable[..., Shipped]) -> Watched:
    project = shipped("{url: {auth: none}, concurrency: {reserved: 2}}")
    project.spec("deploy: {lambda: ", f"deploy: {CANARY}")
    return Watched(project, watched(project.target, SERVICES))


def test_a_deployment_a_change_an_abort_and_a_rollback(canary: Watched) -> None:
    project = canary.project
    assert canary.apply() == []
    assert {"CreateLogStream", "PutLogEvents", "CreateAlias"} <= {name for _, name, _ in canary.calls.recorded}
    assert canary.plan() == []
    project.image("two")
    project.spec("reserved: 2", "reserved: 3")
    assert canary.apply() == []
    assert [name for _, name, _ in canary.calls.recorded].count("UpdateAlias") == 3, "two steps and the promotion"
    assert canary.live() == "2"
    project.image("three")
    with pytest.raises(StageError, match="version 3 was rolled back, all traffic is on version 2 again"):
        canary.apply(BAD)
    assert canary.missing == []
    assert canary.live() == "2"
    desired = desired_function(project.target, project.job(), "")
    versions = version_list(project.target, desired.spec)
    plan = make_rollback_plan(desired, versions, chosen(versions, None))
    canary.calls.clear()
    roll_back(desired, plan, "")
    assert not_shown(canary.calls, [*plan.moves, *plan.events]) == []
    assert canary.live() == "1"


def test_an_http_api_and_its_permission(shipped: Callable[..., Shipped]) -> None:
    project = shipped("{url: {type: http-api}}")
    watching = Watched(project, watched(project.target, SERVICES))
    assert watching.apply() == []
    assert {"CreateApi", "AddPermission"} <= {name for _, name, _ in watching.calls.recorded}
    project.spec("{type: http-api}", "true")
    assert {action.kind for action in watching.plan()} == {"http-api", "permission", "function-url", "release-file"}


def test_a_zip_that_is_uploaded_through_a_bucket(target: AwsTarget, tmp_path: Path) -> None:
    project = zip_project(target, tmp_path, BUCKET)
    zipped(project, "large", direct=False, size_bytes=60 * 2**20)
    s3 = project.target.client("s3")
    s3.create_bucket(Bucket="my-zips", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    watching = Watched(project, watched(project.target, SERVICES))
    shown = [line for action in watching.plan() for line in action.lines()]
    assert "+ lambda function cola temporary object: s3://my-zips/mlspec/cola/function.zip" in shown
    assert watching.apply() == []
    s3.delete_bucket(Bucket="my-zips")


def test_a_call_that_no_action_shows_is_noticed(canary: Watched) -> None:
    """The test of the test: an action less, and its calls are named."""
    actions = canary.plan()
    canary.project.push()
    deploying.ship(canary.project.job(), canary.project.target, GOOD.measure)
    for kind, name in [("release-history", "PutLogEvents"), ("log-group", "CreateLogGroup"), ("alias", "CreateAlias"),
                       ("version", "PublishVersion"), ("image-tag", "PutImage")]:  # fmt: skip
        missing = not_shown(canary.calls, [action for action in actions if action.kind != kind])
        assert name in {call.partition(" ")[0] for call in missing}, kind
