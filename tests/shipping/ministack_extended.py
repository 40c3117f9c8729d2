"""MiniStack with what its CloudFormation lacks of our stacks: run with the Python of its environment.

A provider of OIDC and a budget are created by MiniStack's own IAM and Budgets. Of CodeDeploy only the names are kept: an
update of a stack moves the alias at once. An import reads what MiniStack knows of a resource; each is looked up before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.loaders import Loader
from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import budgets, cloudwatch, ecr, iam, lambda_svc
from ministack.services.cloudformation import changesets
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as HANDLERS

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


LOOKUPS: Mapping[str, tuple[str, Callable[[str], Any], Callable[[str], Created]]] = {
    "AWS::CloudWatch::Alarm": ("AlarmName", cloudwatch._alarms.get, lambda name: (name, {})),
    "AWS::ECR::Repository": (
        "RepositoryName",
        ecr._repositories.get,
        lambda name: (name, {"Arn": ecr._repositories[name]["repositoryArn"]}),
    ),
    "AWS::IAM::OIDCProvider": ("Arn", iam._oidc_providers.get, lambda arn: (arn, {"Arn": arn})),
    "AWS::Lambda::Alias": ("AliasArn", version, lambda arn: (arn, {"AliasArn": arn})),
    "AWS::Lambda::Url": (
        "FunctionArn",
        lambda arn: lambda_svc._function_urls.get(arn.partition(":function:")[2]),
        lambda arn: (arn.partition(":function:")[2], {"FunctionArn": arn}),
    ),
    "AWS::Lambda::Version": ("FunctionArn", version, lambda arn: (arn, {"Version": arn.rpartition(":")[2]})),
}
"""Type to what identifies a resource, how it is looked up, and what an import gives: the physical id and the attributes."""


def problem(type: str, lookup: Callable[[str], Any]) -> Callable[[str], str | None]:
    """Why a resource cannot be imported; None where it can."""
    return lambda value: (
        None if lookup(value) else f"Resource of type '{type}' with identifier '{value}' was not found."
    )


def lambda_routes() -> list[tuple[str, re.Pattern[str], str]]:
    """Method, path and operation of Lambda's requests; the most exact path first, of equal ones that without a query."""
    model = Loader().load_service_model("lambda", "service-2")["operations"].values()
    requests = [(one["http"]["method"], *one["http"]["requestUri"].partition("?")[::2], one["name"]) for one in model]
    return [
        (method, re.compile(re.sub(r"{\w+}", "[^/]+", path.rstrip("/"))), name)
        for method, path, _, name in sorted(requests, key=lambda one: (-len(one[1]), one[2]))
    ]


def lambda_right(
    method: str, path: str, routes: Sequence[tuple[str, re.Pattern[str], str]] = lambda_routes()
) -> str | None:
    """The right that a request takes: the name of its operation. MiniStack itself takes `GetAlias` for `ListAliases`."""
    fits = (name for verb, pattern, name in routes if verb == method and pattern.fullmatch(path.rstrip("/")))
    name = next(fits, None)
    return "InvokeFunction" if name == "Invoke" else name


ALL: Mapping[str, str] = {"monitoring": "cloudwatch:{}:alarm:*", "logs": "logs:{}:log-group::log-stream:"}
"""Service to the resource on which AWS looks for the right to list: its answers to who has none name it."""
NAMED: Mapping[str, tuple[str, str]] = {
    "lambda": ("FunctionName", "lambda:{}:function:"),
    "ecr": ("repositoryNames", "ecr:{}:repository/"),
    "monitoring": ("AlarmNames", "cloudwatch:{}:alarm:"),
}
"""Service to the key in a body that names the resource where neither the path nor another key does."""


def resource(service: str, method: str, path: str, headers: Any, body: bytes, *request: Any) -> str:
    """The resource of a request, also where MiniStack itself takes a request for one about all resources."""
    arn = known_resource(service, method, path, headers, body, *request)
    if arn != "*":
        return arn
    if tagged := re.search(rb"arn:aws:(?:cloudwatch|ecr):[\w-]+:\d+:(?:alarm:|repository/)[\w./-]+", body):
        return tagged[0].decode("ascii")
    if service in ALL and ".Describe" in headers.get("x-amz-target", ""):
        return "arn:aws:" + ALL[service].format(f"{get_region()}:{get_account_id()}")
    key, start = NAMED.get(service, ("", ""))
    name = json.loads(body).get(key) if key and body.startswith(b"{") else None
    name = name[0] if isinstance(name, list) else name
    return f"arn:aws:{start.format(f'{get_region()}:{get_account_id()}')}{name}" if name else arn


known_resource: Callable[..., str] = iam_actions.extract_resource_arn


def condition(key: str, context: Any, known: Callable[..., Any] = iam_evaluator._resolve_condition_key) -> Any:
    """A condition's value: a request on the machine itself counts as one over TLS, which policies of buckets demand."""
    return "true" if key.lower() == "aws:securetransport" else known(key, context)


def extend() -> None:
    """Add the resources, the imports, and the exact names of rights."""
    iam_evaluator._resolve_condition_key = condition
    iam_actions._lambda_action = lambda_right
    iam_actions.extract_resource_arn = resource
    HANDLERS["AWS::IAM::OIDCProvider"] = {
        "create": create_oidc_provider,
        "delete": lambda arn, properties: iam._oidc_providers.pop(arn, None),
    }
    HANDLERS["AWS::Budgets::Budget"] = {
        "create": create_budget,
        "delete": lambda name, properties: budgets._delete_budget({"BudgetName": name}),
    }
    for type, property in (("Application", "ApplicationName"), ("DeploymentGroup", "DeploymentGroupName")):
        HANDLERS[f"AWS::CodeDeploy::{type}"] = {"create": named(property), "delete": nothing}
    for type, (key, lookup, read) in LOOKUPS.items():
        HANDLERS[type]["import"] = lambda identifier, key=key, read=read: read(identifier[key])
        changesets._IMPORT_LOOKUPS[type] = ((key,), problem(type, lookup))


if __name__ == "__main__":
    extend()
    app.main()
