"""A stack takes over what exists: an emulated CloudFormation imports it, and SAM or Serverless deploys to the stack."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.desired import desired_function
from mlspec.cloudformation.existing_stack import delete, read_stack, resource_ids
from mlspec.errors import StageError
from mlspec.parts.cloudformation.adoption import IDENTIFIERS
from mlspec.parts.sam.stack_deletion import stack_removals
from mlspec.parts.serverless.service_removal import service_removals
from mlspec.shipping import remote_changes
from tests.parts.cloudformation.adopting import (
    FUNCTION,
    UPLOADS,
    Adopting,
    Live,
    identifiers,
    lint,
    resources,
    taking_over,
)
from tests.parts.serverless.packages import osls
from tests.shipping.cloud import Shipped
from tests.shipping.zipped import BUCKET, SPEC, zip_project, zipped

Adopt = Callable[..., Adopting]
FOREIGN = "/aws/lambda/another"


@pytest.fixture
def target(stack_target: AwsTarget) -> AwsTarget:
    """An account whose CloudFormation imports."""
    return stack_target


@pytest.fixture
def adopting(shipped: Callable[..., Shipped]) -> Adopt:
    def make(function: str = FUNCTION, tool: str = "sam", *, deploys: bool = False) -> Adopting:
        project = shipped(function)
        project.push()
        project.deploy()
        project.spec("deploy: {lambda:", f"deploy: {{iac: {tool}, lambda:")
        project.image("two")
        return taking_over(project, deploys=deploys)

    return make


@pytest.fixture
def zips(target: AwsTarget, tmp_path: Path) -> Callable[..., Adopting]:
    """A project that has deployed a zip."""

    def make(spec: str, tool: str) -> Adopting:
        place = {"LocationConstraint": "eu-west-1"}
        target.client("s3").create_bucket(Bucket="my-zips", CreateBucketConfiguration=place)
        project = zip_project(target, tmp_path, spec)
        zipped(project, "one")
        project.deploy()
        project.spec("deploy: {lambda:", f"deploy: {{iac: {tool}, lambda:")
        return taking_over(project, deploys=True)

    return make


@pytest.fixture
def serverless(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program in the path."""
    monkeypatch.setenv("PATH", f"{Path(osls()).parent}{os.pathsep}{os.environ['PATH']}")


def test_identifiers_are_those_of_the_schemas() -> None:
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

    for type, names in IDENTIFIERS.items():
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("eu-west-1", type).schema
        assert [f"/properties/{name}" for name in names] == schema["primaryIdentifier"], type
        assert "read" in schema["handlers"], "CloudFormation reads what it imports"


@pytest.mark.slow
def test_stacks_take_over_what_exists_and_sam_releases_to_them(adopting: Adopt) -> None:
    sam = adopting(deploys=True)
    name, target = sam.name, sam.project.target
    target.client("logs").create_log_group(logGroupName=FOREIGN)
    before = sam.live()
    assert before
    assert before.version == "1"
    taken, *deployed = sam.plan("foundation")
    assert taken == f"+ cloudformation stack {name}-foundation Repository: AWS::ECR::Repository, taken over"
    assert {line.split(":")[0] for line in deployed} == {
        f"~ cloudformation stack {name}-foundation Repository {setting}"
        for setting in ("RepositoryPolicyText", "DeletionPolicy")
    }, "the template names the account by a reference, and keeps the repository"
    sam.apply("foundation")
    sam.project.push()
    planned = sam.plan("service")
    assert f"+ cloudformation stack {name} Function: AWS::Lambda::Function, taken over" in planned
    assert f"+ cloudformation stack {name} FunctionAliaslive: AWS::Lambda::Alias, taken over" in planned
    sam.calls.clear()
    sam.apply("service")
    assert sam.calls.changing == [], "CloudFormation alone changes resources"
    assert sam.started == [("sam deploy sam", before)] * 2, "an import changes nothing: the first version stays live"
    assert sam.plan("foundation") == sam.plan("service") == []

    first, second = sam.requests
    assert {one["ChangeSetType"] for one in (first, second)} == {"IMPORT"}
    imported = identifiers(second)
    first_stack = {"AWS::ECR::Repository", "AWS::IAM::OIDCProvider", "AWS::S3::Bucket", "AWS::S3::BucketPolicy"}
    assert imported.keys() == IDENTIFIERS.keys() - first_stack - {"AWS::Lambda::Url"}
    for type in ("AWS::Lambda::Version", "AWS::Lambda::Alias"):
        assert imported[type]["FunctionArn" if type.endswith("Version") else "AliasArn"].startswith(
            before.alias.rpartition(":")[0]
        )
    api = target.client("apigatewayv2")
    id = imported["AWS::ApiGatewayV2::Api"]["ApiId"]
    assert api.get_api(ApiId=id)["Name"] == name
    api.get_integration(**imported["AWS::ApiGatewayV2::Integration"])
    api.get_route(**imported["AWS::ApiGatewayV2::Route"])
    api.get_stage(**imported["AWS::ApiGatewayV2::Stage"])
    assert lint(first) == lint(second) == []
    assert {one["DeletionPolicy"] for one in resources(second).values()} == {"Retain"}
    assert {one["LogicalResourceId"] for one in second["ResourcesToImport"]} == resources(second).keys()
    check_released(sam, before)
    destroyed(sam)


def check_released(adopted: Adopting, before: Live) -> None:
    """The release has reached clients, and a rollback would find the version before it; the stacks are the project's."""
    name, target = adopted.name, adopted.project.target
    now = adopted.live()
    assert now
    assert (now.version, now.alias, now.addresses) == ("2", before.alias, before.addresses)
    assert now.code != before.code
    versions = target.client("lambda").list_versions_by_function(FunctionName=name)["Versions"]
    assert [one["Version"] for one in versions] == ["$LATEST", "1", "2"]
    for stack in adopted.remaining:
        current = read_stack(target, stack)
        assert current
        assert current.tags["mlspec:project"] == name
        assert FOREIGN not in physical_ids(adopted, stack)


def physical_ids(adopted: Adopting, stack: str) -> set[str]:
    client = adopted.project.target.client("cloudformation")
    listed = client.list_stack_resources(StackName=stack)["StackResourceSummaries"]
    return {one["PhysicalResourceId"] for one in listed}


def destroyed(adopted: Adopting) -> None:
    """Remove the project, and nothing else."""
    job, target = adopted.project.job(), adopted.project.target
    removals = partial(service_removals, run=adopted.run) if adopted.is_serverless else stack_removals
    with removals(job, desired_function(target, job, ""), job.root, images=True) as removal:
        assert removal
        removal.carry_out(lambda line: None)
    assert (adopted.live(), adopted.remaining) == (None, [])
    assert target.client("ecr").describe_repositories()["repositories"] == []
    assert target.client("apigatewayv2").get_apis()["Items"] == []
    assert target.client("iam").list_roles()["Roles"] == []
    assert [one["logGroupName"] for one in target.client("logs").describe_log_groups()["logGroups"]] == [FOREIGN]


def test_an_imported_address_and_all_else_stay_when_the_stack_is_deleted(adopting: Adopt) -> None:
    sam = adopting("{url: true}")
    name, target = sam.name, sam.project.target
    sam.project.push()
    before = sam.live()
    sam.apply("service")
    assert [live for _, live in sam.started] == [before]
    [request] = sam.requests
    [url] = [one for one in request["ResourcesToImport"] if one["ResourceType"] == "AWS::Lambda::Url"]
    assert url["LogicalResourceId"] == "FunctionUrl"
    assert url["ResourceIdentifier"]["FunctionArn"].endswith(f":function:{name}:live")
    stack = read_stack(target, name)
    assert stack
    assert stack.tags["mlspec:project"] == name, "a second attempt finds the project's own stack"
    assert len(resource_ids(target, stack)) == len(request["ResourcesToImport"])

    delete(target, name)
    assert sam.live() == before
    sam.project.spec("deploy: {iac: sam, lambda:", "deploy: {lambda:")
    where = (sam.project.job(), sam.project.artifacts, sam.project.context, target)
    ignored = ("image-tag", "release-history", "release-file")
    kinds = {action.kind for action in remote_changes.deploy(*where) if action.kind not in ignored}
    assert kinds == {"function", "version", "alias"}, "only the release of the second image is left"


@pytest.mark.node
@pytest.mark.slow
@pytest.mark.usefixtures("serverless")
def test_services_of_serverless_take_over_what_exists_and_osls_releases_to_them(adopting: Adopt) -> None:
    tool = adopting("{url: true}", "serverless", deploys=True)
    tool.project.target.client("logs").create_log_group(logGroupName=FOREIGN)
    before = tool.live()
    assert before
    tool.apply("foundation")
    tool.project.push()
    tool.calls.clear()
    tool.apply("service")
    assert tool.started == [("osls deploy foundation", before), ("osls deploy service", before)]
    assert tool.calls.changing == []
    for request, update in zip(tool.requests, tool.updates, strict=True):
        imported, updated = resources(request), resources(update)
        assert updated.keys() - imported.keys() == UPLOADS, "the framework uploads its package there"
        assert {id: updated[id] for id in imported} == imported
        assert lint(update) == []
    ids = {one["LogicalResourceId"] for one in tool.requests[1]["ResourcesToImport"]}
    assert ids >= {"ServeLambdaFunction", "ServeLogGroup", "Alias", "Url", "Role", "ReleaseLogGroup"}
    assert tool.plan("service") == []
    check_released(tool, before)
    destroyed(tool)


@pytest.mark.slow
def test_an_import_whose_stack_gets_no_tags_leaves_no_stack(zips: Adopt) -> None:
    """A stack without the tags of the project would be refused by the next command."""
    sam = zips(BUCKET, "sam")
    zipped(sam.project, "two")
    before, events = sam.live(), sam.project.target.client("cloudformation").meta.events

    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "UpdateStack")

    events.register("before-call.cloudformation.UpdateStack", refuse)
    with pytest.raises(StageError, match="these credentials may not do UpdateStack"):
        sam.apply("service")
    assert (sam.remaining, sam.live()) == ([], before), "everything that was imported stays"
    events.unregister("before-call.cloudformation.UpdateStack", refuse)
    sam.apply("service")
    assert sam.plan("service") == []


@pytest.mark.slow
def test_a_zip_is_taken_over_without_its_code(zips: Adopt) -> None:
    sam = zips(BUCKET, "sam")
    with pytest.raises(StageError, match="runs this zip already"):
        sam.plan("service")
    zipped(sam.project, "two")
    assert "+ cloudformation stack cola Function: AWS::Lambda::Function, taken over" in sam.plan("service")
    before = sam.live()
    assert before
    sam.calls.clear()
    sam.apply("service")
    assert sam.started == [("sam deploy sam", before)], "an import changes nothing"
    assert sam.calls.changing == []
    [request] = sam.requests
    function = resources(request)["Function"]["Properties"]
    assert (function["Handler"], list(function["Code"])) == ("handler.handle", ["ZipFile"])
    assert lint(request) == []
    assert sam.plan("service") == []
    check_released(sam, before)


@pytest.mark.node
@pytest.mark.slow
@pytest.mark.usefixtures("serverless")
def test_a_zip_is_taken_over_by_a_service_of_serverless(zips: Adopt) -> None:
    """The import has no zip, and changes nothing; osls itself packages and deploys it."""
    tool = zips(SPEC, "serverless")
    tool.project.write_files()
    with pytest.raises(StageError, match="runs this zip already"):
        tool.apply("service")
    zipped(tool.project, "two")
    before = tool.live()
    assert before
    tool.calls.clear()
    tool.apply("service")
    assert tool.started == [("osls deploy service", before)], "an import changes nothing"
    assert tool.calls.changing == []
    [request], [update] = tool.requests, tool.updates
    imported, updated = resources(request), resources(update)
    assert imported["ServeLambdaFunction"]["Properties"]["Code"].keys() == {"ZipFile"}
    assert updated.keys() - imported.keys() == UPLOADS
    assert lint(update) == []
    check_released(tool, before)


def test_nothing_is_taken_over_without_the_option(adopting: Adopt) -> None:
    sam = adopting()
    for stage, resource in (("foundation", "ecr repository"), ("service", "lambda function")):
        with pytest.raises(StageError, match=f"{resource} {sam.name} exists already") as refused:
            sam.plan(stage, adopt=False)
        assert "mlspec apply --adopt" in refused.value.help
    sam.project.target.client("lambda").delete_function(FunctionName=sam.name)
    with pytest.raises(StageError, match=r"log group /aws/lambda/.* exists already"):
        sam.plan("service", adopt=False)
    kept = [line for line in sam.plan("service") if line.endswith("taken over")]
    assert len(kept) == 3, "the role and the log groups that a function left"


@dataclass(frozen=True)
class Fault:
    """What is wrong with a function: how to make it so, how to undo that, and what the message says."""

    make: Callable[[Adopting], object]
    undo: Callable[[Adopting], object]
    message: str


def edited(old: str, new: str, message: str) -> Fault:
    """Another text in the spec."""
    return Fault(lambda sam: sam.project.spec(old, new), lambda sam: sam.project.spec(new, old), message)


def tag(sam: Adopting, project: str) -> None:
    """Make the function that project's."""
    client = sam.project.target.client("lambda")
    arn = client.get_function(FunctionName=sam.name)["Configuration"]["FunctionArn"]
    client.tag_resource(Resource=arn, Tags={"mlspec:project": project})


def named(sam: Adopting) -> dict[str, str]:
    return {"FunctionName": sam.name, "Name": "live"}


FAULTS = (
    edited("memory: 1024", "memory: 2048", "only what is as the spec describes it: .* MemorySize: 1024 -> 2048"),
    edited("log_retention: 30", "log_retention: 7", "only what is as the spec describes it: .* 30 -> 7"),
    Fault(lambda sam: tag(sam, "other"), lambda sam: tag(sam, sam.name), "it belongs to the project other"),
    Fault(
        lambda sam: sam.project.target.client("lambda").delete_alias(**named(sam)),
        lambda sam: sam.project.target.client("lambda").create_alias(**named(sam), FunctionVersion="1"),
        "no alias live that sends all traffic to one version",
    ),
    Fault(lambda sam: sam.project.image("one"), lambda sam: sam.project.image("two"), "runs this image already"),
)


def test_what_an_import_could_not_complete_is_refused(adopting: Adopt) -> None:
    sam = adopting("{memory: 1024, log_retention: 30}")
    sam.project.push()
    for fault in FAULTS:
        fault.make(sam)
        with pytest.raises(StageError, match=fault.message):
            sam.apply("service")
        fault.undo(sam)
    assert (sam.requests, sam.started, sam.remaining) == ([], [], [])
    assert any(line.endswith("taken over") for line in sam.plan("service")), "without a fault"


def test_an_import_that_cloudformation_refuses_leaves_no_stack(adopting: Adopt) -> None:
    sam = adopting()
    sam.project.push()
    group = {
        "Type": "AWS::Logs::LogGroup",
        "DeletionPolicy": "Retain",
        "Properties": {"LogGroupName": f"/mlspec/{sam.name}"},
    }
    client = sam.project.target.client("cloudformation")
    named = {"StackName": "another", "ChangeSetName": "import"}
    client.create_change_set(
        **named,
        ChangeSetType="IMPORT",
        TemplateBody=json.dumps({"Resources": {"Group": group}}),
        ResourcesToImport=[
            {
                "ResourceType": group["Type"],
                "LogicalResourceId": "Group",
                "ResourceIdentifier": group["Properties"],
            }
        ],
    )
    client.execute_change_set(**named)
    before = sam.live()
    with pytest.raises(StageError, match=r"cannot take over .*: /mlspec/\w+ already exists in stack .*/another/"):
        sam.apply("service")
    assert (sam.remaining, sam.started, sam.live()) == (["another"], [], before)
