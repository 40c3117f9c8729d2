"""Projects whose stacks SAM or Serverless deploys to an emulated AWS, and what is in that account."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from mlspec.aws.action import lines
from mlspec.aws.aws_target import AwsTarget
from mlspec.compiler import compile_project
from mlspec.shipping import remote_changes
from tests.parts.cloudformation.stack_specs import SPECS
from tests.parts.targets import BASE
from tests.shipping.cloud import Shipped
from tests.shipping.shown_requests import Apply, Observe
from tests.shipping.zipped import BUCKET, zip_project, zipped


def stacked_zip(target: AwsTarget, folder: Path) -> Shipped:
    """A project that ships a zip by SAM, and its bucket."""
    project = zip_project(target, folder, BUCKET.replace("deploy: {lambda:", "deploy: {iac: sam, lambda:"))
    place = {"LocationConstraint": "eu-west-1"}
    target.client("s3").create_bucket(Bucket="my-zips", CreateBucketConfiguration=place)
    zipped(project, "one")
    project.write_files()
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


def assert_deployed_with_everything(project: Shipped, tool: str, preview: Sequence[Observe], apply: Apply) -> None:
    """Two releases of a spec with every resource of both stacks: nothing is left to plan.

    The emulated account keeps no network of a function, and of CodeDeploy only names: the alias moves at once, and AWS's
    shift is not tested.
    """
    name = project.root.name
    text = (BASE + SPECS["everything"]).replace("IAC", tool).replace("cola", name)
    (project.root / "mlproject.yaml").write_text(re.sub(r"    vpc: .*\n", "", text))
    for version, content in (("1", "one"), ("2", "two")):
        project.image(content)
        project.write_files()
        apply(project.job(), "foundation", project.target)
        project.push()
        apply(project.job(), "service", project.target)
        project.deploy()
        alias = project.target.client("lambda").get_alias(FunctionName=name, Name="live")
        assert alias["FunctionVersion"] == version
        spec = compile_project(project.root / "mlproject.yaml").project
        where = (spec, project.artifacts, project.context, project.target)
        observers = (*preview, remote_changes.push, remote_changes.deploy)
        assert lines([action for observe in observers for action in observe(*where)]) == []
    stacks = project.target.client("cloudformation")
    types = {one["ResourceType"] for one in stacks.describe_stack_resources(StackName=name)["StackResources"]}
    assert {"AWS::CodeDeploy::Application", "AWS::CodeDeploy::DeploymentGroup", "AWS::Lambda::Url"} <= types
    alarms = project.target.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{name}-live-new-version-error")
    measured = [one["MetricStat"]["Metric"]["Dimensions"] for one in alarms["MetricAlarms"][0]["Metrics"][1:]]
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
