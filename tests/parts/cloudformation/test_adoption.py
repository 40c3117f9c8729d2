"""A stack takes over what exists. The emulated CloudFormation knows no import, so one that records stands in for it; it
checks each request as botocore does, and every identifier is looked up in the emulated account."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from mlspec.aws.action import lines
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.function import read_function
from mlspec.aws.resource_owner import ResourceOwner
from mlspec.cloudformation.sam_program import run_program
from mlspec.compiler import compile_project
from mlspec.errors import StageError
from mlspec.parts.cloudformation.adoption import IDENTIFIERS
from mlspec.parts.sam import stack_preview, work
from mlspec.parts.serverless import work as serverless
from mlspec.shipping import remote_changes
from tests.parts.serverless.packages import osls
from tests.shipping.cloud import Calls, Shipped, services_with_rights, watched
from tests.shipping.foundation import ISSUER, create_bucket, create_budget, foundation_project
from tests.shipping.zipped import BUCKET, zip_project, zipped

FUNCTION = "{url: {type: http-api}, alarms: {error_rate: '> 0.05'}, environment: {LEVEL: high}}"


@dataclass
class RecordingCloudFormation:
    """Stands in for CloudFormation: it keeps stacks and their templates, and changes nothing else in the account."""

    model: Any
    stacks: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    updates: list[dict[str, Any]] = field(default_factory=list)
    refusal: str = ""

    def create_change_set(self, **given: Any) -> dict[str, str]:
        from botocore.validate import ParamValidator

        shape = self.model.operation_model("CreateChangeSet").input_shape
        assert not ParamValidator().validate(given, shape).has_errors()
        self.requests.append(given)
        stack = {"StackId": "arn:stack", "StackStatus": "REVIEW_IN_PROGRESS", "Tags": given["Tags"]}
        self.stacks[given["StackName"]] = stack | {"TemplateBody": json.loads(given["TemplateBody"])}
        return {"Id": "arn:change-set"}

    def update_stack(self, **given: Any) -> None:
        from botocore.validate import ParamValidator

        shape = self.model.operation_model("UpdateStack").input_shape
        assert not ParamValidator().validate(given, shape).has_errors()
        self.updates.append(given)
        self.stacks[given["StackName"]]["TemplateBody"] = json.loads(given["TemplateBody"])

    def execute_change_set(self, ChangeSetName: str, StackName: str) -> None:
        self.stacks[StackName]["StackStatus"] = "IMPORT_COMPLETE"

    def describe_change_set(self, **_: str) -> dict[str, str]:
        return {"Status": "FAILED", "StatusReason": self.refusal}

    def get_waiter(self, name: str) -> Waiter:
        return Waiter(self.refusal if name == "change_set_create_complete" else "")

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        if StackName in self.stacks:
            return {"Stacks": [self.stacks[StackName]]}
        error = {"Code": "ValidationError", "Message": f"Stack with id {StackName} does not exist"}
        raise ClientError({"Error": error}, "DescribeStacks")  # type: ignore[typeddict-item]

    def get_template(self, StackName: str, TemplateStage: str) -> dict[str, Any]:
        return self.stacks[StackName]

    def delete_stack(self, StackName: str) -> None:
        del self.stacks[StackName]

    def get_paginator(self, name: str) -> RecordingCloudFormation:
        return self

    def paginate(self, StackName: str) -> Iterator[dict[str, Any]]:
        yield {"StackEvents": [], "StackResourceSummaries": []}


@dataclass(frozen=True)
class Waiter:
    refusal: str

    def wait(self, **_: Any) -> None:
        if self.refusal:
            raise WaiterError("ChangeSetCreateComplete", self.refusal, {})


@dataclass(frozen=True)
class AdoptingTarget(AwsTarget):
    """The emulated account with a stand-in for its CloudFormation."""

    cloudformation: RecordingCloudFormation | None = None

    def client(self, service: str) -> Any:
        return self.cloudformation if service == "cloudformation" else super().client(service)


@dataclass
class Adopting:
    """A project that `mlspec apply` has deployed, and that SAM is to deploy from now on."""

    project: Shipped
    cloudformation: RecordingCloudFormation
    calls: Calls
    deployed: list[str] = field(default_factory=list)

    def plan(self, stage: str, *, adopt: bool = True) -> list[str]:
        project = self.project
        spec = compile_project(project.root / "mlproject.yaml").project
        target = project.target if adopt else replace(project.target, owner=ResourceOwner())
        observe: Callable[..., Any] = getattr(stack_preview, stage)
        return lines(observe(spec, project.artifacts, project.context, target))

    def apply(self, stage: str) -> None:
        for file in self.project.files():
            path = self.project.root / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.text)
        work.deploy(self.project.job(), stage, self.project.target, self.sam)

    def sam(self, command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> tuple[int, str]:
        """Stands in for `sam deploy`: the template is the stack's from now on."""
        name = command[command.index("--stack-name") + 1]
        self.deployed.append(name)
        text = Path(command[command.index("--template-file") + 1]).read_text(encoding="utf-8")
        self.cloudformation.stacks[name] |= {"TemplateBody": text, "StackStatus": "UPDATE_COMPLETE"}
        return 0, ""


@pytest.fixture
def adopting(shipped: Callable[..., Shipped]) -> Callable[..., Adopting]:
    def make(function: str = FUNCTION, tool: str = "sam") -> Adopting:
        project = shipped(function)
        project.push()
        project.deploy()
        project.spec("deploy: {lambda:", f"deploy: {{iac: {tool}, lambda:")
        project.image("two")
        return taking_over(project)

    return make


def taking_over(project: Shipped) -> Adopting:
    """The project with `--adopt`, and with a stand-in for the CloudFormation of its account."""
    known = project.target
    stand_in = RecordingCloudFormation(known.client("cloudformation").meta.service_model)
    owner = ResourceOwner(adopts=True)
    where = (known.kind, known.region, known.endpoint, known.registry, known.credentials, owner)
    target = AdoptingTarget(*where, cloudformation=stand_in)
    emulated = tuple(service for service in services_with_rights() if service != "cloudformation")
    return Adopting(replace(project, target=target), stand_in, watched(target, emulated))


def lint(template: str) -> list[str]:
    from cfnlint import lint as check

    return [str(match) for match in check(template, regions=["eu-west-1"])]


def test_identifiers_are_those_of_the_schemas() -> None:
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

    for type, names in IDENTIFIERS.items():
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("eu-west-1", type).schema
        assert [f"/properties/{name}" for name in names] == schema["primaryIdentifier"], type
        assert "read" in schema["handlers"], "CloudFormation reads what it imports"


def test_with_a_stand_in_for_cloudformation_stacks_take_over_what_exists(adopting: Callable[..., Adopting]) -> None:
    sam = adopting()
    name, target = sam.project.root.name, sam.project.target
    before = read_function(target, name)
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
    assert sam.calls.changing == [], "an import changes nothing"
    assert read_function(target, name) == before
    assert sam.deployed == [f"{name}-foundation", name]
    assert sam.plan("foundation") == sam.plan("service") == []

    first, second = sam.cloudformation.requests
    assert {one["ChangeSetType"] for one in (first, second)} == {"IMPORT"}
    assert [lint(one["TemplateBody"]) for one in (first, second)] == [[], []]
    imported = {one["ResourceType"]: one["ResourceIdentifier"] for one in second["ResourcesToImport"]}
    client, api = target.client("lambda"), target.client("apigatewayv2")
    first_stack = {"AWS::ECR::Repository", "AWS::IAM::OIDCProvider", "AWS::S3::Bucket", "AWS::S3::BucketPolicy"}
    assert imported.keys() == IDENTIFIERS.keys() - first_stack - {"AWS::Lambda::Url"}
    for type in ("AWS::Lambda::Version", "AWS::Lambda::Alias"):
        arn = imported[type]["FunctionArn" if type.endswith("Version") else "AliasArn"]
        assert client.get_function(FunctionName=arn)["Configuration"]["Version"] == "1"
    id = imported["AWS::ApiGatewayV2::Api"]["ApiId"]
    assert api.get_api(ApiId=id)["Name"] == name
    api.get_integration(**imported["AWS::ApiGatewayV2::Integration"])
    api.get_route(**imported["AWS::ApiGatewayV2::Route"])
    api.get_stage(**imported["AWS::ApiGatewayV2::Stage"])
    resources = json.loads(second["TemplateBody"])["Resources"]
    assert {one["DeletionPolicy"] for one in resources.values()} == {"Retain"}
    assert {one["LogicalResourceId"] for one in second["ResourcesToImport"]} == resources.keys()

    del sam.cloudformation.stacks[name]  # the stack is deleted, and everything stays
    sam.project.spec("deploy: {iac: sam, lambda:", "deploy: {lambda:")
    changes = remote_changes.deploy(sam.project.job(), sam.project.artifacts, sam.project.context, target)
    kinds = {action.kind for action in changes if action.kind not in ("image-tag", "release-history", "release-file")}
    assert kinds == {"function", "version", "alias"}, "only the release of the second image is left"


@pytest.mark.node
@pytest.mark.slow
def test_with_a_stand_in_for_cloudformation_services_of_serverless_take_over_what_exists(
    adopting: Callable[..., Adopting], monkeypatch: pytest.MonkeyPatch
) -> None:
    """osls itself packages; what it would deploy to is the stand-in's."""
    monkeypatch.setenv("PATH", f"{Path(osls()).parent}{os.pathsep}{os.environ['PATH']}")
    tool = adopting("{url: true}", "serverless")
    project, name, deployed = tool.project, tool.project.root.name, []

    def run(command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> tuple[int, str]:
        if command[1] == "package":
            return run_program(command, folder, environ)
        deployed.append(folder.name)
        return 0, ""

    for file in project.files():
        path = project.root / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text)
    serverless.apply(project.job(), "foundation", project.target, run)
    project.push()
    tool.calls.clear()
    serverless.apply(project.job(), "service", project.target, run)
    assert deployed == ["foundation", "service"]
    assert tool.calls.changing == []
    bucket = {"ServerlessDeploymentBucket", "ServerlessDeploymentBucketPolicy"}
    for request, update in zip(tool.cloudformation.requests, tool.cloudformation.updates, strict=True):
        imported, updated = (json.loads(one["TemplateBody"])["Resources"] for one in (request, update))
        assert updated.keys() - imported.keys() == bucket, "the framework uploads its package there"
        assert {id: updated[id] for id in imported} == imported
        assert [lint(one["TemplateBody"]) for one in (request, update)] == [[], []]
    ids = {one["LogicalResourceId"] for one in tool.cloudformation.requests[1]["ResourcesToImport"]}
    assert ids >= {"ServeLambdaFunction", "ServeLogGroup", "Alias", "Url", "Role", "ReleaseLogGroup"}
    assert name in tool.cloudformation.stacks


def test_a_zip_is_taken_over_without_its_code(target: AwsTarget, tmp_path: Path) -> None:
    project = zip_project(target, tmp_path, BUCKET)
    zipped(project, "one")
    target.client("s3").create_bucket(Bucket="my-zips", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    try:
        project.deploy()
        project.spec("deploy: {lambda:", "deploy: {iac: sam, lambda:")
        sam = taking_over(project)
        with pytest.raises(StageError, match="runs this zip already"):
            sam.plan("service")
        zipped(project, "two")
        assert "+ cloudformation stack cola Function: AWS::Lambda::Function, taken over" in sam.plan("service")
        before = read_function(target, "cola")
        sam.calls.clear()
        sam.apply("service")
        assert (sam.calls.changing, read_function(target, "cola")) == ([], before), "an import changes nothing"
        [request] = sam.cloudformation.requests
        function = json.loads(request["TemplateBody"])["Resources"]["Function"]["Properties"]
        assert (function["Handler"], list(function["Code"])) == ("handler.handle", ["ZipFile"])
        assert lint(request["TemplateBody"]) == []
    finally:
        target.client("s3").delete_bucket(Bucket="my-zips")


@pytest.mark.node
@pytest.mark.slow
def test_a_zip_is_taken_over_by_a_service_of_serverless(
    target: AwsTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """osls itself packages the zip; the import has none, and changes nothing."""
    monkeypatch.setenv("PATH", f"{Path(osls()).parent}{os.pathsep}{os.environ['PATH']}")
    project = zip_project(target, tmp_path)
    zipped(project, "one")
    project.deploy()
    project.spec("deploy: {lambda:", "deploy: {iac: serverless, lambda:")
    tool, deployed = taking_over(project), list[str]()
    for file in project.files():
        path = project.root / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text)

    def run(command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> tuple[int, str]:
        if command[1] == "package":
            return run_program(command, folder, environ)
        deployed.append(folder.name)
        return 0, ""

    with pytest.raises(StageError, match="runs this zip already"):
        serverless.apply(project.job(), "service", tool.project.target, run)
    zipped(project, "two")
    before = read_function(target, "cola")
    tool.calls.clear()
    serverless.apply(project.job(), "service", tool.project.target, run)
    assert (tool.calls.changing, read_function(target, "cola")) == ([], before), "an import changes nothing"
    assert deployed == ["service"]
    [request], [update] = tool.cloudformation.requests, tool.cloudformation.updates
    imported, updated = (json.loads(one["TemplateBody"])["Resources"] for one in (request, update))
    assert imported["ServeLambdaFunction"]["Properties"]["Code"].keys() == {"ZipFile"}
    assert updated.keys() - imported.keys() == {"ServerlessDeploymentBucket", "ServerlessDeploymentBucketPolicy"}
    assert [lint(one["TemplateBody"]) for one in (request, update)] == [[], []]


def test_a_foundation_takes_over_the_role_for_releases_and_the_projects_own_provider(
    target: AwsTarget, tmp_path: Path
) -> None:
    sam = taking_over(foundation_project(target, tmp_path, "sam"))
    with pytest.raises(StageError, match="iam role cola-release exists already"):
        sam.plan("foundation", adopt=False)
    create_bucket(target)
    planned = sam.plan("foundation")
    taken = [line.partition(" stack cola-foundation ")[2] for line in planned if line.endswith("taken over")]
    assert taken == [
        "Bucket: AWS::S3::Bucket, taken over",
        "BucketPolicy: AWS::S3::BucketPolicy, taken over",
        "ReleaseRole: AWS::IAM::Role, taken over",
        "GithubOidcProvider: AWS::IAM::OIDCProvider, taken over",
    ]
    assert any("Bucket LifecycleConfiguration" in line for line in planned), "kept for 30 days, and 90 in the spec"
    assert any("ReleaseRole MaxSessionDuration" in line or "ReleaseRole AssumeRole" in line for line in planned)
    sam.apply("foundation")
    [request] = sam.cloudformation.requests
    assert lint(request["TemplateBody"]) == []
    assert sam.plan("foundation") == []
    iam = target.client("iam")
    [provider] = [
        one["ResourceIdentifier"]["Arn"] for one in request["ResourcesToImport"] if "OIDC" in one["ResourceType"]
    ]
    assert iam.get_open_id_connect_provider(OpenIDConnectProviderArn=provider)["Url"] in ISSUER


def test_a_bucket_that_a_stack_cannot_create_is_refused(target: AwsTarget, tmp_path: Path) -> None:
    sam = taking_over(foundation_project(target, tmp_path, "sam"))
    target.client("iam").delete_role_policy(RoleName="cola-release", PolicyName="push")
    target.client("iam").delete_role(RoleName="cola-release")
    create_bucket(target)
    with pytest.raises(StageError, match="s3 bucket team-data exists already and is not in the stack") as refused:
        sam.plan("foundation", adopt=False)
    assert "take it over: mlspec apply --adopt; or use it as it is: remove the section `bucket`" in refused.value.help
    target.client("s3").put_bucket_tagging(
        Bucket="team-data", Tagging={"TagSet": [{"Key": "mlspec:project", "Value": "b"}]}
    )
    with pytest.raises(StageError, match="s3 bucket team-data exists already: it belongs to the project b"):
        sam.plan("foundation")


def test_what_a_foundation_does_not_take_over_is_refused(target: AwsTarget, tmp_path: Path) -> None:
    sam = taking_over(foundation_project(target, tmp_path, "sam"))
    create_budget(target)
    with pytest.raises(StageError, match="CloudFormation can neither create nor take it over") as refused:
        sam.plan("foundation")
    assert "aws budgets delete-budget --account-id 123456789012 --budget-name cola" in refused.value.help
    target.client("iam").tag_role(RoleName="cola-release", Tags=[{"Key": "mlspec:project", "Value": "other"}])
    target.client("budgets").delete_budget(AccountId="123456789012", BudgetName="cola")
    with pytest.raises(StageError, match="iam role cola-release exists already: it belongs to the project other"):
        sam.plan("foundation")


def test_an_address_is_imported_by_the_arn_of_the_alias(adopting: Callable[..., Adopting]) -> None:
    sam = adopting("{url: true}")
    sam.project.push()
    sam.apply("service")
    [request] = sam.cloudformation.requests
    [url] = [one for one in request["ResourcesToImport"] if one["ResourceType"] == "AWS::Lambda::Url"]
    assert url["LogicalResourceId"] == "FunctionUrl"
    assert url["ResourceIdentifier"]["FunctionArn"].endswith(f":function:{sam.project.root.name}:live")
    assert lint(request["TemplateBody"]) == []


def test_nothing_is_taken_over_without_the_option(adopting: Callable[..., Adopting]) -> None:
    sam = adopting()
    for stage, resource in (("foundation", "ecr repository"), ("service", "lambda function")):
        with pytest.raises(StageError, match=f"{resource} {sam.project.root.name} exists already") as refused:
            sam.plan(stage, adopt=False)
        assert "mlspec apply --adopt" in refused.value.help
    sam.project.target.client("lambda").delete_function(FunctionName=sam.project.root.name)
    with pytest.raises(StageError, match=r"log group /aws/lambda/.* exists already"):
        sam.plan("service", adopt=False)
    kept = [line for line in sam.plan("service") if line.endswith("taken over")]
    assert len(kept) == 3, "the role and the log groups that a function left"


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("memory", "only what is as the spec describes it: .* MemorySize: 1024 -> 2048"),
        ("image", "runs this image already"),
        ("alias", "no alias live that sends all traffic to one version"),
        ("project", "it belongs to the project other"),
        ("log group", "only what is as the spec describes it: .* 30 -> 7"),
    ],
)
def test_what_an_import_could_not_complete_is_refused(
    fault: str, message: str, adopting: Callable[..., Adopting]
) -> None:
    sam = adopting("{memory: 1024, log_retention: 30}")
    project, name = sam.project, sam.project.root.name
    client = project.target.client("lambda")
    if fault == "memory":
        project.spec("memory: 1024", "memory: 2048")
    elif fault == "log group":
        project.spec("log_retention: 30", "log_retention: 7")
    elif fault == "image":
        project.image("one")
    elif fault == "alias":
        client.delete_alias(FunctionName=name, Name="live")
    else:
        arn = client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
        client.tag_resource(Resource=arn, Tags={"mlspec:project": "other"})
    project.push()
    with pytest.raises(StageError, match=message):
        sam.apply("service")
    assert sam.cloudformation.requests == []
    assert sam.deployed == []


def test_an_import_that_cloudformation_refuses_leaves_no_stack(adopting: Callable[..., Adopting]) -> None:
    sam = adopting()
    sam.project.push()
    sam.cloudformation.refusal = "AWS::Lambda::Function cola is in another stack"
    with pytest.raises(StageError, match=r"cannot take over .*: AWS::Lambda::Function cola is in another stack"):
        sam.apply("service")
    assert sam.cloudformation.stacks == {}
    assert sam.deployed == []
