"""The function's HTTP API in Amazon API Gateway: as there against `lambda/api.json`. It calls the alias."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from mlspec.aws import cli_input
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.change import RemoteChange
from mlspec.aws.converge import PROJECT, ConvergeStep, differences, elsewhere, sourced
from mlspec.aws.desired import DesiredFunction
from mlspec.aws.ecr import arn
from mlspec.aws.error_messages import code_of
from mlspec.aws.function_url import statements

Json = dict[str, Any]
_SID: Final = "mlspec-api"
_DEFAULT: Final = "$default"


def resource(name: str) -> str:
    """What a person calls it."""
    return f"http api {name}"


def read(target: AwsTarget, name: str, project: str) -> Json | None:
    """The API of that name that mlspec made for the project: `ApiId`, `ApiEndpoint`, `CorsConfiguration`."""
    pages = target.client("apigatewayv2").get_paginator("get_apis").paginate()
    found = (api for page in pages for api in page["Items"])
    return next((api for api in found if api["Name"] == name and _ours(api.get("Tags", {}), target, project)), None)


def _ours(tags: dict[str, str], target: AwsTarget, project: str) -> bool:
    return tags.get(PROJECT) == project and not elsewhere(tags, target)


def steps(wanted: DesiredFunction) -> list[ConvergeStep]:
    """What makes the API as wanted, one part after the other; or removes it where the spec wants none."""
    client, name = wanted.target.client("apigatewayv2"), wanted.function.name
    given, found = cli_input.create_api(wanted.function), read(wanted.target, name, wanted.project)
    if given is None:
        gone = RemoteChange("-", resource(name), old=found["ApiEndpoint"] if found else None)
        return [ConvergeStep((gone,), partial(_remove, wanted, found["ApiId"]))] if found else []
    if found is None:
        return [ConvergeStep((RemoteChange("+", resource(name), new=_auth(wanted)),), partial(_create, wanted, given))]
    made = _complete(wanted, found["ApiId"])
    cors = given.get("CorsConfiguration", {})
    there = _camel(found.get("CorsConfiguration") or {})
    if changes := differences(resource(name), {"CorsConfiguration": cors}, {"CorsConfiguration": there}):
        which = {"ApiId": found["ApiId"]}
        act = partial(client.update_api, **which, CorsConfiguration=cors)
        made.append(ConvergeStep(changes, act if cors else partial(client.delete_cors_configuration, **which)))
    return made


def _camel(cors: Json) -> Json:
    """An emulated API Gateway answers `allowOrigins` for `AllowOrigins`."""
    return {key[0].upper() + key[1:]: value for key, value in cors.items()}


def _auth(wanted: DesiredFunction) -> str:
    url = cli_input.url(wanted.function)
    return "AWS_IAM" if url is None or url.auth == "iam" else "NONE"


def _create(wanted: DesiredFunction, given: Json) -> None:
    tagged = {**given, "Tags": sourced(given["Tags"], wanted.target.source)}
    made = wanted.target.client("apigatewayv2").create_api(**tagged)
    for step in _complete(wanted, made["ApiId"]):
        step.act()


def _complete(wanted: DesiredFunction, api: str) -> list[ConvergeStep]:
    """The API's parts, each where it is not as wanted: what it calls, its one route, its stage, the right to call."""
    client, which = wanted.target.client("apigatewayv2"), {"ApiId": api}
    what = resource(wanted.function.name)
    call = {"IntegrationType": "AWS_PROXY", "PayloadFormatVersion": "2.0",
            "IntegrationUri": f"{wanted.function.arn}:{wanted.function.options.alias}"}  # fmt: skip
    made: list[ConvergeStep] = []
    integration = next(iter(client.get_integrations(**which)["Items"]), None)
    if integration is None or (changed := differences(what, call, integration)):
        changes = (
            (RemoteChange("+", what, "integration", new=call["IntegrationUri"]),) if integration is None else changed
        )
        put = client.create_integration if integration is None else client.update_integration
        of = {} if integration is None else {"IntegrationId": integration["IntegrationId"]}
        made.append(ConvergeStep(changes, partial(put, **which, **of, **call)))
    made += _route(wanted, which)
    if all(stage["StageName"] != _DEFAULT for stage in client.get_stages(**which)["Items"]):
        stage = partial(client.create_stage, **which, StageName=_DEFAULT, AutoDeploy=True)
        made.append(ConvergeStep((RemoteChange("+", what, "stage", new=_DEFAULT),), stage))
    return made + _permission(wanted, api)


def _route(wanted: DesiredFunction, which: Json) -> list[ConvergeStep]:
    """Every path and method goes to the function, which knows its own. It is made once its integration is there."""
    client, what, auth = wanted.target.client("apigatewayv2"), resource(wanted.function.name), _auth(wanted)
    route = next((r for r in client.get_routes(**which)["Items"] if r["RouteKey"] == _DEFAULT), None)
    if route is None:
        return [
            ConvergeStep((RemoteChange("+", what, "route", new=auth),), partial(_create_route, client, which, auth))
        ]
    there = route.get("AuthorizationType") or "NONE"
    if there == auth:
        return []
    act = partial(client.update_route, **which, RouteId=route["RouteId"], AuthorizationType=auth)
    return [ConvergeStep((RemoteChange("~", what, "AuthorizationType", there, auth),), act)]


def _create_route(client: Any, which: Json, auth: str) -> None:
    integration = client.get_integrations(**which)["Items"][0]["IntegrationId"]
    client.create_route(**which, RouteKey=_DEFAULT, Target=f"integrations/{integration}", AuthorizationType=auth)


def _permission(wanted: DesiredFunction, api: str) -> list[ConvergeStep]:
    """API Gateway may call the alias, for this API alone."""
    function, which = wanted.function, _alias(wanted)
    source = arn(function.ecr, "execute-api", f"{api}/*/*")
    there = statements(wanted.target, which).get(_SID)
    if there is not None and source in str(there.get("Condition")):
        return []
    made = [] if there is None else [ConvergeStep((), partial(wanted.target.client("lambda").remove_permission, **which,
                                                       StatementId=_SID))]  # fmt: skip
    act = partial(
        wanted.target.client("lambda").add_permission, **which, StatementId=_SID, Principal="apigateway.amazonaws.com",
        Action="lambda:InvokeFunction", SourceArn=source,
    )  # fmt: skip
    return [*made, ConvergeStep((RemoteChange("+", f"permission of {function.name}", _SID, new=source),), act)]


def _remove(wanted: DesiredFunction, api: str) -> None:
    from botocore.exceptions import ClientError

    wanted.target.client("apigatewayv2").delete_api(ApiId=api)
    try:
        wanted.target.client("lambda").remove_permission(**_alias(wanted), StatementId=_SID)
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise


def _alias(wanted: DesiredFunction) -> dict[str, str]:
    return {"FunctionName": wanted.function.name, "Qualifier": wanted.function.options.alias}
