"""Removal: every resource with its reason to stay, removed in order by the providers of their kinds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from botocore.stub import Stubber

from mlspec.aws import policies
from mlspec.aws.aws_location import AwsLocation
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.desired import DesiredFunction, desired_function
from mlspec.shipping import bucket_changes, image_push, removal
from mlspec.shipping.deployment import Deployment
from tests.aws.functions import OFFLINE, function
from tests.shipping.cloud import Shipped, watched

CREATED_WITHIN = {"alias", "permission", "image-tag", "release-history"}
"""Kinds without tags, each a part of another resource."""
Make = Callable[..., Shipped]
REMOVED = {"function", "http-api", "alarm", "role", "log-group"}
"""Kinds of resources that a removal names."""
REMOVED_WITH = {
    "version": "function", "alias": "function", "function-url": "function", "permission": "function",
    "reserved-concurrency": "function", "provisioned-concurrency": "function", "release-history": "log-group",
    "image-tag": "repository",
}  # fmt: skip
"""Kinds that AWS removes with another."""


def desired(project: Shipped) -> DesiredFunction:
    return desired_function(project.target, project.job(), "")


def test_everything_that_a_deployment_creates_is_removed(shipped: Make) -> None:
    """A provider of a new kind is part of the removal, or its resource goes with another."""
    assert set(Deployment(desired(shipped())).providers) == REMOVED | REMOVED_WITH.keys()


def test_everything_is_created_with_its_tags(shipped: Make) -> None:
    """In one request: what an interruption leaves behind is the project's, and needs no --adopt."""
    project = shipped('{url: {type: http-api}, alarms: {error_rate: "> 0.05"}}', "bucket: {name: team-models}\n")
    location = AwsLocation("eu-west-1", "123456789012")
    actions = [
        *Deployment(desired(project)).plan().actions,
        *image_push.repository_actions(project.target, location, project.job()),
        *bucket_changes.bucket(project.job(), project.artifacts, project.context, project.target),
    ]
    created = [one for one in actions if one.operation == "create" and one.kind not in CREATED_WITHIN]
    assert {one.kind for one in created} == REMOVED | {"repository", "bucket"}
    untagged = [one.resource for one in created if "mlspec:project" not in json.dumps(one.arguments, default=str)]
    assert untagged == []


def test_all_of_it_is_removed_in_order_and_only_by_granted_calls(shipped: Make) -> None:
    project = shipped('{url: {type: http-api}, alarms: {error_rate: "> 0.05"}}')
    project.push()
    project.deploy()
    policy = next(json.loads(f.text) for f in project.files() if f.path == "lambda/destroy-policy.json")
    granted = {a for s in policy["Statement"] for a in ([s["Action"]] if isinstance(s["Action"], str) else s["Action"])}
    calls, lines = watched(project.target), list[str]()
    removals = removal.plan(desired(project), images=True)
    kinds = [each.action.kind for each in removals]
    assert set(kinds) == {*REMOVED, "repository"}
    assert kinds == ["function", "http-api", "alarm", "role", "log-group", "log-group", "repository"]
    assert all(each.action.operation == "delete" and not each.kept for each in removals)
    removal.carry_out(desired(project), removals, lines.append)
    assert lines[0] == f"removed: lambda function {project.root.name}"
    assert len(lines) == len(removals)
    assert calls.actions() <= granted
    assert removal.plan(desired(project), images=True) == []


def test_what_is_not_the_projects_is_kept(shipped: Make) -> None:
    project = shipped()
    project.push()
    project.deploy()
    own = desired(project)
    info = own.spec.info.model_copy(update={"name": "mood"})
    options = own.spec.options.model_copy(update={"name": own.name})
    stranger = replace(own, spec=own.spec._replace(info=info, options=options))
    removals = removal.plan(stranger, images=True)
    assert {each.kept for each in removals} == {f"it belongs to the project {project.root.name}"}
    lines: list[str] = []
    removal.carry_out(stranger, removals, lines.append)
    assert lines == []
    assert len(removal.plan(own, images=False)) == len(removals)


def test_a_bucket_is_removed_only_by_its_project_and_only_while_it_is_empty(target: AwsTarget, tmp_path: Path) -> None:
    own = function(target, tmp_path)
    client, name = target.client("s3"), "team-models"
    assert removal.bucket_removal(own, name) == []
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    [foreign] = removal.bucket_removal(own, name)
    assert foreign.kept == "it was not created by mlspec"
    client.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "mlspec:project", "Value": "cola"}]})
    client.put_object(Bucket=name, Key="dvc/a", Body=b"1")
    [filled] = removal.bucket_removal(own, name)
    assert filled.kept.startswith("it holds data, and mlspec deletes none")
    versions = client.list_object_versions(Bucket=name)["Versions"]
    client.delete_object(Bucket=name, Key="dvc/a", VersionId=versions[0]["VersionId"])
    [with_foundation] = removal.bucket_removal(own, name, foundation=False)
    assert with_foundation.kept == "it belongs to the foundation, which --images removes"
    calls, spec = watched(target), own.spec
    [empty] = removal.bucket_removal(own, name)
    removal.carry_out(own, [empty], lambda _: None)
    assert removal.bucket_removal(own, name) == []
    rights = next(one for one in policies.destroy(spec, name).statements if one.sid == "Bucket")
    assert calls.actions() == set(rights.actions)


def test_a_bucket_of_another_account_stops_no_removal(tmp_path: Path) -> None:
    own = function(replace(OFFLINE), tmp_path)
    stub = Stubber(own.target.client("s3"))
    stub.add_client_error("head_bucket", "403", http_status_code=403)
    with stub:
        [kept] = removal.bucket_removal(own, "team-models")
    assert "is taken in Amazon S3" in kept.kept
