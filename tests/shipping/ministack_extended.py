"""MiniStack with what its CloudFormation lacks of our stacks: run with `-m` and the Python of its environment.

A provider of OIDC and a budget are created by MiniStack's own IAM and Budgets. Of CodeDeploy only the names are kept: an
update of a stack moves the alias at once. An import reads what MiniStack knows of a resource; each is looked up before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ministack import app
from ministack.core.responses import get_account_id
from ministack.services import apigateway, budgets, cloudwatch, ecr, iam, lambda_svc, s3
from ministack.services.cloudformation import changesets, provisioners

from tests.shipping import ministack_images, ministack_resources, ministack_rights

Properties = dict[str, Any]
Created = tuple[str, dict[str, Any]]


def create_oidc_provider(logical_id: str, properties: Properties, stack: str) -> Created:
    """`AWS::IAM::OIDCProvider`."""
    lists = {f"{name}.member.{number}": each for name in ("ClientIdList", "ThumbprintList")
             for number, each in enumerate(properties.get(name, ()), start=1)}  # fmt: skip
    request = {
        "Url": properties["Url"],
        **{name.replace("ClientIdList", "ClientIDList"): each for name, each in lists.items()},
    }
    status, _, body = iam._create_oidc_provider({name: [each] for name, each in request.items()})
    if status >= 400:
        raise ValueError(body)
    arn = f"arn:aws:iam::{get_account_id()}:oidc-provider/{properties['Url'].removeprefix('https://')}"
    return arn, {"Arn": arn}


def update_oidc_provider(arn: str, old: Properties, new: Properties, stack: str) -> Created:
    """Its clients and its thumbprints; the URL of a provider never changes."""
    assert new["Url"] == old["Url"]
    known = iam._oidc_providers[arn]
    known |= {"ClientIDList": list(new.get("ClientIdList", ())), "ThumbprintList": list(new.get("ThumbprintList", ()))}
    return arn, {"Arn": arn}


def create_budget(logical_id: str, properties: Properties, stack: str) -> Created:
    """`AWS::Budgets::Budget`."""
    status, _, body = budgets._create_budget(properties)
    if status >= 400:
        raise ValueError(json.loads(body))
    return properties["Budget"]["BudgetName"], {}


def named(property: str) -> Callable[[str, Properties, str], Created]:
    """A resource of which only the name is kept."""
    return lambda logical_id, properties, stack: (properties.get(property, f"{stack}-{logical_id}"), {})


def nothing(physical_id: str, properties: Properties) -> None:
    """What only had a name is gone with it."""


def version(arn: str) -> dict[str, Any] | None:
    """What is known of a version or an alias of a function."""
    name, _, qualifier = arn.partition(":function:")[2].partition(":")
    function = lambda_svc._functions.get(name)
    return function and {**function["aliases"], **function["versions"]}.get(qualifier)


def url(arn: str) -> Properties | None:
    """What is known of the address of an alias."""
    known: Properties | None = lambda_svc._function_urls.get(arn.partition(":function:")[2])
    return known


def url_attributes(arn: str) -> Properties:
    """The attributes of an address."""
    known = url(arn)
    assert known
    return {"FunctionArn": arn, "FunctionUrl": known["FunctionUrl"]}


def repository(known: Properties) -> Properties:
    """The attributes of a repository."""
    return {"Arn": known["repositoryArn"], "RepositoryUri": known["repositoryUri"]}


class Import(NamedTuple):
    """How resources of a type are imported."""

    keys: tuple[str, ...]
    """What identifies one."""
    lookup: Callable[..., Any]
    """Takes their values: what MiniStack knows of it."""
    read: Callable[..., Created]
    """Takes them too: the physical id and the attributes."""


IMPORTS: Mapping[str, Import] = {
    "AWS::ApiGatewayV2::Api": Import(
        ("ApiId",),
        apigateway._apis.get,
        lambda api: (api, {"ApiId": api, "ApiEndpoint": apigateway._apis[api]["apiEndpoint"]}),
    ),
    "AWS::ApiGatewayV2::Integration": Import(
        ("ApiId", "IntegrationId"),
        lambda api, number: apigateway._integrations.get(api, {}).get(number),
        lambda api, number: (number, {"IntegrationId": number}),
    ),
    "AWS::ApiGatewayV2::Route": Import(
        ("ApiId", "RouteId"),
        lambda api, number: apigateway._routes.get(api, {}).get(number),
        lambda api, number: (f"{api}/{number}", {"RouteId": number}),
    ),
    "AWS::ApiGatewayV2::Stage": Import(
        ("ApiId", "StageName"),
        lambda api, name: apigateway._stages.get(api, {}).get(name),
        lambda api, name: (name, {"StageName": name}),
    ),
    "AWS::CloudWatch::Alarm": Import(("AlarmName",), cloudwatch._alarms.get, lambda name: (name, {})),
    "AWS::ECR::Repository": Import(
        ("RepositoryName",),
        ecr._repositories.get,
        lambda name: (name, repository(ecr._repositories[name])),
    ),
    "AWS::IAM::OIDCProvider": Import(("Arn",), iam._oidc_providers.get, lambda arn: (arn, {"Arn": arn})),
    "AWS::Lambda::Alias": Import(("AliasArn",), version, lambda arn: (arn, {"AliasArn": arn})),
    "AWS::Lambda::Url": Import(
        ("FunctionArn",), url, lambda arn: (arn.partition(":function:")[2], url_attributes(arn))
    ),
    "AWS::Lambda::Version": Import(("FunctionArn",), version, lambda arn: (arn, {"Version": arn.rpartition(":")[2]})),
    "AWS::S3::BucketPolicy": Import(("Bucket",), s3._bucket_policies.get, lambda name: (f"{name}-policy", {})),
}


def problem(type: str, lookup: Callable[..., Any]) -> Callable[..., str | None]:
    """Why a resource cannot be imported; None where it can."""
    reason = f"Resource of type '{type}' with identifier '{{}}' was not found."
    return lambda *values: None if lookup(*values) else reason.format("|".join(values))


def put_metric_alarm(
    params: Properties, request: Properties, *protocol: bool, known: Callable[..., Any] = cloudwatch._put_metric_alarm
) -> Any:
    """Also keeps what an alarm computes from several metrics, of a request in JSON."""
    answer = known(params, request, *protocol)
    if answer[0] == 200 and request:
        cloudwatch._alarms[request["AlarmName"]] |= computed(request)
    return answer


def alarm(
    name: str, properties: Properties, known: Callable[..., Properties] = provisioners._cw_metric_alarm_record
) -> Any:
    """The same of an alarm of a stack, which MiniStack refuses."""
    single = {"MetricName": "computed", "Namespace": "computed"} if "Metrics" in properties else {}
    record = known(name, {key: each for key, each in properties.items() if key != "Metrics"} | single)
    return record | computed(properties)


def computed(properties: Properties) -> Properties:
    """What MiniStack leaves out of an alarm, without its defaults for a single metric."""
    more = {key: properties[key] for key in ("EvaluateLowSampleCountPercentile", "Metrics") if key in properties}
    return more | (dict.fromkeys(("MetricName", "Namespace", "Period", "Statistic")) if "Metrics" in more else {})


def extend() -> None:
    """Add the resources and the imports."""
    cloudwatch._put_metric_alarm = put_metric_alarm
    provisioners._cw_metric_alarm_record = alarm
    provisioners._RESOURCE_HANDLERS["AWS::IAM::OIDCProvider"] = {
        "create": create_oidc_provider,
        "update": update_oidc_provider,
        "delete": lambda arn, properties: iam._oidc_providers.pop(arn, None),
    }
    provisioners._RESOURCE_HANDLERS["AWS::Budgets::Budget"] = {
        "create": create_budget,
        "delete": lambda name, properties: budgets._delete_budget({"BudgetName": name}),
    }
    for type in ("Application", "DeploymentConfig", "DeploymentGroup"):
        handlers = {"create": named(f"{type}Name"), "delete": nothing}
        provisioners._RESOURCE_HANDLERS[f"AWS::CodeDeploy::{type}"] = handlers
    for type, one in IMPORTS.items():
        provisioners._RESOURCE_HANDLERS[type]["import"] = lambda identifier, one=one: one.read(
            *(identifier[key] for key in one.keys)
        )
        changesets._IMPORT_LOOKUPS[type] = (one.keys, problem(type, one.lookup))


if __name__ == "__main__":
    extend()
    ministack_rights.extend()
    ministack_images.extend()
    ministack_resources.extend()
    app.main()
