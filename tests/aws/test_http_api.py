"""The HTTP API of a function in an emulated API Gateway: created whole, completed, changed, removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.aws.action import Execution
from mlspec.aws.alias_permissions import AliasPermissionProvider
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.desired import DesiredFunction
from mlspec.aws.http_api import HttpApiProvider
from mlspec.aws.resources import HttpApi
from tests.aws.functions import changes, function

OPTIONS = "{url: {type: http-api, cors_origins: ['https://example.org']}}"


@pytest.fixture
def deployed(target: AwsTarget, tmp_path: Path, alias: str) -> DesiredFunction:
    return function(target, tmp_path, OPTIONS)


def provider(deployed: DesiredFunction) -> HttpApiProvider:
    return HttpApiProvider(deployed.target, deployed.spec.location, "live", "cola")


def converge(deployed: DesiredFunction, desired: HttpApi | None) -> list[str]:
    """Give the API its desired state, each action through the provider of its kind."""
    api, permissions = provider(deployed), AliasPermissionProvider(deployed.target, "live")
    actions = changes(api, "cola", desired)
    Execution({"permission": permissions, "http-api": api}, lambda line: None).run(actions)
    return [line for action in actions for line in action.lines()]


def test_created_whole_and_removed_with_its_permission(deployed: DesiredFunction) -> None:
    assert converge(deployed, deployed.spec.api()) == [
        "+ http api cola: AWS_IAM",
        "+ permission of cola mlspec-api: arn:aws:execute-api:eu-west-1:123456789012:(known after apply)/*/*",
    ]
    assert changes(provider(deployed), "cola", deployed.spec.api()) == []
    existing = provider(deployed).read("cola")
    assert existing is not None
    assert existing.permission is not None
    assert existing.stage
    assert converge(deployed, None) == [
        f"- http api cola: {existing.endpoint}",
        "- permission of cola mlspec-api",
    ]
    assert provider(deployed).read("cola") is None


def test_what_is_missing_is_completed(deployed: DesiredFunction) -> None:
    """As after a kill between the calls that create it."""
    converge(deployed, deployed.spec.api())
    client = deployed.target.client("apigatewayv2")
    api = provider(deployed).read("cola")
    assert api is not None
    assert api.route is not None
    client.delete_route(ApiId=api.id, RouteId=api.route.id)
    client.delete_stage(ApiId=api.id, StageName="$default")
    deployed.target.client("lambda").remove_permission(FunctionName="cola", Qualifier="live", StatementId="mlspec-api")
    lines = [line.partition(":")[0] for line in converge(deployed, deployed.spec.api())]
    assert lines == ["+ http api cola route", "+ http api cola stage", "+ permission of cola mlspec-api"]
    assert changes(provider(deployed), "cola", deployed.spec.api()) == []


def test_a_permission_of_another_api_is_replaced(deployed: DesiredFunction) -> None:
    converge(deployed, deployed.spec.api())
    client, which = deployed.target.client("lambda"), {"FunctionName": "cola", "Qualifier": "live"}
    client.remove_permission(**which, StatementId="mlspec-api")
    client.add_permission(
        **which, StatementId="mlspec-api", Principal="apigateway.amazonaws.com", Action="lambda:InvokeFunction",
        SourceArn="arn:aws:execute-api:eu-west-1:123456789012:other/*/*",
    )  # fmt: skip
    lines = converge(deployed, deployed.spec.api())
    assert [line.partition(":")[0] for line in lines] == [
        "- permission of cola mlspec-api",
        "+ permission of cola mlspec-api",
    ]
    assert changes(provider(deployed), "cola", deployed.spec.api()) == []


def test_the_api_of_another_project_is_ignored(deployed: DesiredFunction) -> None:
    deployed.target.client("apigatewayv2").create_api(Name="cola", ProtocolType="HTTP", Tags={"mlspec:project": "mood"})
    assert provider(deployed).read("cola") is None


def test_a_permission_that_an_earlier_api_left_is_replaced(deployed: DesiredFunction) -> None:
    deployed.target.client("lambda").add_permission(
        FunctionName="cola", Qualifier="live", StatementId="mlspec-api", Principal="apigateway.amazonaws.com",
        Action="lambda:InvokeFunction", SourceArn="arn:aws:execute-api:eu-west-1:123456789012:other/*/*",
    )  # fmt: skip
    lines = converge(deployed, deployed.spec.api())
    assert [line.partition(":")[0] for line in lines] == [
        "+ http api cola", "- permission of cola mlspec-api", "+ permission of cola mlspec-api",
    ]  # fmt: skip
    assert changes(provider(deployed), "cola", deployed.spec.api()) == []
