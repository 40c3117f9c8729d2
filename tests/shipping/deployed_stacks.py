"""Projects whose stacks SAM or Serverless deploys to an emulated AWS, and what is in that account."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from mlspec.aws.action import lines
from mlspec.aws.aws_target import AwsTarget
from mlspec.compiler import compile_project
from tests.shipping.cloud import Shipped
from tests.shipping.shown_requests import Apply, Observe
from tests.shipping.zipped import BUCKET, zip_project, zipped


def write_files(project: Shipped) -> None:
    """Write the generated files of a project."""
    for file in project.files():
        path = project.root / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text)


def stacked_zip(target: AwsTarget, folder: Path) -> Shipped:
    """A project that ships a zip by SAM, and its bucket."""
    project = zip_project(target, folder, BUCKET.replace("deploy: {lambda:", "deploy: {iac: sam, lambda:"))
    place = {"LocationConstraint": "eu-west-1"}
    target.client("s3").create_bucket(Bucket="my-zips", CreateBucketConfiguration=place)
    zipped(project, "one")
    write_files(project)
    return project


def assert_named_by_cloudformation(project: Shipped, changes: list[str]) -> None:
    """Of a function with an HTTP API mlspec would add only a statement that is there by another name, which
    CloudFormation gives it."""
    name = project.root.name
    (api,) = project.target.client("apigatewayv2").get_apis()["Items"]
    source = f"arn:aws:execute-api:eu-west-1:123456789012:{api['ApiId']}/*/*"
    added = f"+ permission of {name} mlspec-api: {source}"
    assert changes == [added, "~ record artifacts/release.json: function, rollout"]
    policy = project.target.client("lambda").get_policy(FunctionName=name, Qualifier="live")["Policy"]
    assert source in policy


def assert_rolled_out(project: Shipped, preview: Sequence[Observe], apply: Apply) -> None:
    """Two releases with a rollout by CodeDeploy: its resources, an alarm on the second version, and nothing left to plan.

    Of CodeDeploy the emulated account keeps only names, so the alias moves at once: AWS's shift is not tested.
    """
    name = project.root.name
    rollout = "rollout: {strategy: canary, steps: [20, 100], abort_if: {error_rate: '> 0.01'}}"
    project.spec(", lambda:", f", {rollout}, lambda:")
    for version, content in (("1", "one"), ("2", "two")):
        project.image(content)
        write_files(project)
        apply(project.job(), "foundation", project.target)
        project.push()
        apply(project.job(), "service", project.target)
        alias = project.target.client("lambda").get_alias(FunctionName=name, Name="live")
        assert alias["FunctionVersion"] == version
        spec = compile_project(project.root / "mlproject.yaml").project
        where = (spec, project.artifacts, project.context, project.target)
        assert lines([action for observe in preview for action in observe(*where)]) == []
    stacks = project.target.client("cloudformation")
    types = {one["ResourceType"] for one in stacks.describe_stack_resources(StackName=name)["StackResources"]}
    assert {"AWS::CodeDeploy::Application", "AWS::CodeDeploy::DeploymentGroup", "AWS::CloudWatch::Alarm"} <= types
    (alarm,) = project.target.client("cloudwatch").describe_alarms()["MetricAlarms"]
    measured = [one["MetricStat"]["Metric"]["Dimensions"] for one in alarm["Metrics"] if "MetricStat" in one]
    assert [{"Name": "ExecutedVersion", "Value": "2"} in dimensions for dimensions in measured] == [True, True]


def left(target: AwsTarget) -> set[str]:
    """What is in the account."""
    return set(_resources(target))


def _resources(target: AwsTarget) -> Iterator[str]:
    listed = (
        ("lambda", "list_functions", "Functions", "FunctionName"),
        ("iam", "list_roles", "Roles", "RoleName"),
        ("iam", "list_open_id_connect_providers", "OpenIDConnectProviderList", "Arn"),
        ("logs", "describe_log_groups", "logGroups", "logGroupName"),
        ("ecr", "describe_repositories", "repositories", "repositoryName"),
        ("apigatewayv2", "get_apis", "Items", "Name"),
        ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
        ("s3", "list_buckets", "Buckets", "Name"),
    )
    for service, operation, key, name in listed:
        answer = getattr(target.client(service), operation)()
        yield from (f"{service} {one[name].rpartition('oidc-provider/')[2]}" for one in answer[key])
    stacks = target.client("cloudformation").describe_stacks()["Stacks"]
    yield from (f"stack {one['StackName']}" for one in stacks)
