"""`mlspec destroy` by the resources that a project has, whatever `deploy` is, and by the tags of what it had."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mlspec.aws.action import Execution
from mlspec.aws.aws_location import AwsLocation
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.repository import RepositoryProvider
from mlspec.parts.bucket import work as bucket
from mlspec.shipping import image_push
from tests.parts.targets import BASE, PACKAGE
from tests.shipping.cloud import BuiltImages, Run, Shipped

REMOTE = BASE.replace("data:\n", "data:\n  remote: s3://team-models/dvc\n")
REGISTRY = "registry: {ecr: {repository: cola, region: eu-west-1}}\n"
BUCKET = "bucket: {region: eu-west-1}\n"
NOTHING = "Nothing to remove.\n"
Make = Callable[[str], Shipped]


@pytest.fixture
def project(target: AwsTarget, tmp_path: Path) -> Make:
    """A project of a spec, whose resources without an image are created."""

    def make(text: str) -> Shipped:
        (tmp_path / "mlproject.yaml").write_text(text, encoding="utf-8")
        created = Shipped(tmp_path, target, "", BuiltImages(""))
        if "registry:" in text:
            actions = image_push.repository_actions(target, AwsLocation("eu-west-1", "123456789012"), created.job())
            Execution({"repository": RepositoryProvider(target)}, lambda _: None).run(actions)
        if "bucket:" in text:
            bucket.ship(created.job(), target)
        return created

    return make


@pytest.mark.parametrize(
    ("more", "removed"),
    [
        (PACKAGE + REGISTRY, ["ecr repository cola"]),
        (BUCKET, ["s3 bucket team-models"]),
        (PACKAGE + REGISTRY + BUCKET, ["ecr repository cola", "s3 bucket team-models"]),
    ],
    ids=["registry", "bucket", "both"],
)
def test_a_project_without_a_function_removes_what_it_has(
    project: Make, mlspec: Run, more: str, removed: list[str]
) -> None:
    created = project(REMOTE + more)
    code, out, err = mlspec(created, "destroy", "--images")
    assert (code, "cannot ask for confirmation" in err) == (2, True)
    assert [line for line in out.splitlines() if line.startswith("  - ")] == [
        f"  - {one} ({'it is empty' if 's3' in one else '0 images'})" for one in removed
    ]
    code, out, _ = mlspec(created, "destroy", "--images", "--yes", "--json")
    assert (code, json.loads(out)) == (0, {"ok": True, "removed": removed, "left": [], "notices": []})
    assert mlspec(created, "destroy", "--images", "--yes")[:2] == (0, NOTHING)


@pytest.mark.parametrize(
    "more",
    ["", "budget: {monthly: 20 USD}\n", "ci: {github: {repository: me/cola}}\n", PACKAGE],
    ids=["nothing", "budget", "ci", "image"],
)
def test_a_project_without_resources_is_one_sentence(project: Make, mlspec: Run, more: str) -> None:
    """It needs no account."""
    created = project(BASE + more)
    code, out, _ = mlspec(created, "destroy", AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert (code, out) == (
        0,
        "Nothing to remove: this spec creates nothing outside of the project. What an earlier spec created in AWS is "
        "found by its tags: mlspec destroy --orphans\n",
    )
    code, _, err = mlspec(created, "destroy", "--orphans", AWS_CONFIG_FILE="/dev/null", AWS_REGION="")
    assert code == 2
    assert "AWS_REGION=eu-west-1 mlspec destroy --orphans" in err
    code, out, _ = mlspec(created, "destroy", "--orphans", AWS_REGION="eu-west-1")
    assert (code, out) == (0, "Nothing to remove: eu-west-1 has nothing with the tag mlspec:project = cola.\n")


def test_what_the_spec_no_longer_names_is_shown_and_removed_on_request(
    shipped: Callable[..., Shipped], mlspec: Run
) -> None:
    """Here all of the deployment; its image repository goes with --images."""
    created = shipped('{alarms: {error_rate: "> 0.05"}}')
    created.push()
    created.deploy()
    name, spec = created.root.name, created.root / "mlproject.yaml"
    spec.write_text(spec.read_text().partition("deploy:")[0])
    code, out, _ = mlspec(created, "destroy", "--yes")
    assert code == 0
    why = "is kept: no environment of the spec names it; --orphans removes it too"
    assert f"    lambda function {name} (1 version) {why}" in out
    assert f"    iam role {name} {why}" in out
    assert out.endswith(NOTHING)
    created.target.client("lambda").get_function(FunctionName=name)
    code, out, _ = mlspec(created, "destroy", "--yes", "--images")
    assert f"ecr repository {name} (1 image) is kept: it has images that other functions run (keep-1)" in out
    created.target.client("lambda").delete_function(FunctionName=name)  # an earlier removal was interrupted here
    code, out, _ = mlspec(created, "destroy", "--yes", "--images", "--orphans", "--json")
    assert code == 0
    record = json.loads(out)
    assert set(record["removed"]) == {
        f"cloudwatch alarm {name}-live-service-error-rate", f"iam role {name}", f"log group /aws/lambda/{name}",
        f"log group /mlspec/{name}", f"ecr repository {name}",
    }  # fmt: skip
    assert record["left"] == []
    assert not (created.artifacts / "release.json").exists()
    assert mlspec(created, "destroy", "--yes", "--images")[:2] == (0, NOTHING)


def test_another_environment_and_another_folder_are_not_orphans(project: Make, mlspec: Run) -> None:
    created = project(BASE + PACKAGE + REGISTRY + "environments: {prod: {deploy: {lambda: {}}}}\n")
    logs = created.target.client("logs")
    logs.create_log_group(logGroupName="/aws/lambda/cola-prod", tags={"mlspec:project": "cola"})
    logs.create_log_group(logGroupName="/aws/lambda/cola-old", tags={"mlspec:project": "cola"})
    logs.create_log_group(logGroupName="/aws/lambda/mood", tags={"mlspec:project": "mood"})
    code, out, _ = mlspec(created, "destroy", "--orphans", "--yes", "--json")
    assert code == 0
    assert json.loads(out)["removed"] == ["log group /aws/lambda/cola-old"]


def test_an_orphaned_stack_is_removed_as_a_whole(project: Make, mlspec: Run) -> None:
    created = project(BASE)
    template = {
        "Resources": {"Group": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/aws/lambda/x"}}}
    }
    tags = [{"Key": "mlspec:project", "Value": "cola"}]
    for name in ("cola-foundation", "cola"):
        created.target.client("cloudformation").create_stack(
            StackName=name, TemplateBody=json.dumps(template).replace("/x", f"/{name}"), Tags=tags
        )
    code, out, _ = mlspec(created, "destroy", "--orphans", "--yes", AWS_REGION="eu-west-1")
    assert code == 0
    assert "- cloudformation stack cola" in out
    assert "cloudformation stack cola-foundation is kept: --images removes it too" in out
    code, out, _ = mlspec(created, "destroy", "--orphans", "--images", "--yes", "--json", AWS_REGION="eu-west-1")
    assert (code, json.loads(out)["removed"]) == (0, ["cloudformation stack cola-foundation"])


@pytest.mark.parametrize(
    ("path", "text", "notice"),
    [
        (
            "terraform/service/terraform.tfstate",
            json.dumps(
                {"resources": [{"mode": "managed", "instances": [{}, {}]}, {"mode": "data", "instances": [{}]}]}
            ),
            "terraform/service/terraform.tfstate has 2 resources, and the spec has no `iac: terraform`",
        ),
        (".mlspec/elasticsearch/server.env", "ELASTIC_API_KEY=x\n", "put `monitor.elasticsearch` back, then"),
    ],
)
def test_what_only_another_spec_removes_is_named(project: Make, mlspec: Run, path: str, text: str, notice: str) -> None:
    created = project(BASE)
    (created.root / path).parent.mkdir(parents=True)
    (created.root / path).write_text(text, encoding="utf-8")
    code, out, _ = mlspec(created, "destroy")
    assert (code, notice in out) == (0, True)


def test_a_search_that_is_not_possible_stops_no_other_removal(project: Make, mlspec: Run) -> None:
    created = project(REMOTE + BUCKET)
    refused = {"AWS_ENDPOINT_URL_RESOURCE_GROUPS_TAGGING_API": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    code, _, err = mlspec(created, "destroy", "--orphans", "--yes", **refused)
    assert (code, "AWS cannot be reached" in err) == (4, True)
    code, out, _ = mlspec(created, "destroy", "--yes", **refused)
    assert (code, "- s3 bucket team-models (it is empty)" in out) == (0, True)
    assert "what an earlier spec created was not searched for: Could not connect" in out
