"""The function's HTTP API in Amazon API Gateway against `lambda/api.json`. It calls the alias."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from pydantic import JsonValue

from mlspec.aws.action import Action, FieldChange, create, delete, differences, unexpected
from mlspec.aws.alias_permissions import AliasPermissionProvider
from mlspec.aws.aws_location import AwsLocation
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.known_after_apply import KnownAfterApply, Outputs, join
from mlspec.aws.ownership import other_address
from mlspec.aws.resource_tags import PROJECT
from mlspec.aws.resources import API_STATEMENT, HttpApi, Integration, Route

_DEFAULT: Final = "$default"


@dataclass(frozen=True)
class HttpApiProvider:
    """Reads and changes the HTTP API that calls an alias of the project's function.

    Without `parts` only the API itself is read: `mlspec destroy` has no rights on the alias's policy.
    """

    target: AwsTarget
    location: AwsLocation
    alias: str
    project: str
    parts: bool = True

    def read(self, name: str) -> HttpApi | None:
        """The API of that name that mlspec created for the project, with its parts; None where there is none."""
        client = self.target.client("apigatewayv2")
        apis = (api for page in client.get_paginator("get_apis").paginate() for api in page["Items"])
        answer = next((api for api in apis if api["Name"] == name and self._owns(api.get("Tags", {}))), None)
        if answer is None:
            return None
        api = HttpApi.from_response(self.alias, answer)
        return self._with_parts(api) if self.parts else api

    def _with_parts(self, api: HttpApi) -> HttpApi:
        client, which = self.target.client("apigatewayv2"), {"ApiId": api.id}
        integration = next(iter(client.get_integrations(**which)["Items"]), None)
        route = next((r for r in client.get_routes(**which)["Items"] if r["RouteKey"] == _DEFAULT), None)
        permissions = AliasPermissionProvider(self.target, self.alias).read(api.function)
        return replace(
            api,
            integration=Integration.from_json(integration) if integration else None,
            route=Route(route.get("AuthorizationType") or "NONE", route["RouteId"]) if route else None,
            stage=any(stage["StageName"] == _DEFAULT for stage in client.get_stages(**which)["Items"]),
            permission=permissions.statements.get(API_STATEMENT) if permissions else None,
        )

    def _owns(self, tags: Mapping[str, str]) -> bool:
        return tags.get(PROJECT) == self.project and not other_address(tags, self.target.owner)

    def diff(self, desired: HttpApi | None, current: HttpApi | None) -> list[Action]:
        """What creates, completes, changes or removes the API."""
        if desired is None:
            return _removed(current, self._which) if current else []
        if current is None:
            assert desired.route, "the spec describes a whole API"
            assert desired.integration, "the spec describes a whole API"
            arguments = {
                **desired.to_request(),
                **desired.integration.to_json(),
                "AuthorizationType": desired.route.auth,
            }
            return [create("http-api", desired.name, desired.route.auth, arguments), *self._first_permission(desired)]
        return [
            *_integration(desired, current),
            *_route(desired, current),
            *_stage(desired, current),
            *self._permission(desired, current),
            *_cors(desired, current),
        ]

    def _first_permission(self, desired: HttpApi) -> list[Action]:
        """The permission of an API that has no id yet. An earlier API of that name may have left its own."""
        permissions = AliasPermissionProvider(self.target, self.alias).read(desired.function)
        left = permissions.statements.get(API_STATEMENT) if permissions else None
        return self._permission(desired, replace(desired, permission=left, id=KnownAfterApply("{api}")))

    def _permission(self, desired: HttpApi, current: HttpApi) -> list[Action]:
        """API Gateway may invoke the alias, for this API alone."""
        source = join(self.location.arn("execute-api", ""), current.id, "/*/*")
        if current.permission is not None and source in str(current.permission.condition):
            return []
        change = FieldChange("+", API_STATEMENT, new=source)
        grant = Action("permission", desired.function, "create", (change,), self._grant(desired.function, source))
        return [*_revoked(current, self._which), grant]

    def _which(self, function: str) -> dict[str, JsonValue]:
        return {"FunctionName": function, "Qualifier": self.alias, "StatementId": API_STATEMENT}

    def _grant(self, function: str, source: str) -> dict[str, JsonValue]:
        invoker = {"Principal": "apigateway.amazonaws.com", "Action": "lambda:InvokeFunction"}
        return {**self._which(function), **invoker, "SourceArn": source}

    def apply(self, action: Action) -> Outputs | None:
        """Execute an action on the API; of a new one, returns its id."""
        client, given = self.target.client("apigatewayv2"), dict(action.arguments)
        match action.operation:
            case "create":
                return {"api": self._create(action)}
            case "create-integration":
                client.create_integration(**given)
            case "set-integration":
                client.update_integration(**given)
            case "create-route":
                self._create_route(str(given["ApiId"]), given["AuthorizationType"])
            case "set-route":
                client.update_route(**given)
            case "create-stage":
                client.create_stage(**given, StageName=_DEFAULT, AutoDeploy=True)
            case "set-cors":
                client.update_api(**given)
            case "delete-cors":
                client.delete_cors_configuration(**given)
            case "delete":
                client.delete_api(**given)
            case _:
                raise unexpected(action)
        return None

    def _create(self, action: Action) -> str:
        """The API, then its parts: where one of them fails, the next plan completes it."""
        client, given = self.target.client("apigatewayv2"), dict(action.arguments)
        own = {name: given.pop(name) for name in ("Name", "ProtocolType", "Tags", "CorsConfiguration") if name in given}
        auth, api = given.pop("AuthorizationType"), str(client.create_api(**own)["ApiId"])
        client.create_integration(ApiId=api, **given)
        self._create_route(api, auth)
        client.create_stage(ApiId=api, StageName=_DEFAULT, AutoDeploy=True)
        return api

    def _create_route(self, api: str, auth: JsonValue) -> None:
        client = self.target.client("apigatewayv2")
        integration = client.get_integrations(ApiId=api)["Items"][0]["IntegrationId"]
        client.create_route(ApiId=api, RouteKey=_DEFAULT, Target=f"integrations/{integration}", AuthorizationType=auth)


def _removed(current: HttpApi, which: Callable[[str], dict[str, JsonValue]]) -> list[Action]:
    return [delete("http-api", current.name, current.endpoint, {"ApiId": current.id}), *_revoked(current, which)]


def _revoked(current: HttpApi, which: Callable[[str], dict[str, JsonValue]]) -> list[Action]:
    if current.permission is None:
        return []
    return [
        Action("permission", current.function, "delete", (FieldChange("-", API_STATEMENT),), which(current.function))
    ]


def _integration(desired: HttpApi, current: HttpApi) -> list[Action]:
    assert desired.integration, "the spec describes a whole API"
    new, arguments = desired.integration.to_json(), {"ApiId": current.id, **desired.integration.to_json()}
    if current.integration is None:
        change = FieldChange("+", "integration", new=desired.integration.uri)
        return [Action("http-api", desired.name, "create-integration", (change,), arguments)]
    changes = differences(new, current.integration.to_json())
    arguments["IntegrationId"] = current.integration.id
    return [Action("http-api", desired.name, "set-integration", changes, arguments)] if changes else []


def _route(desired: HttpApi, current: HttpApi) -> list[Action]:
    assert desired.route, "the spec describes a whole API"
    arguments: dict[str, JsonValue] = {"ApiId": current.id, "AuthorizationType": desired.route.auth}
    if current.route is None:
        change = FieldChange("+", "route", new=desired.route.auth)
        return [Action("http-api", desired.name, "create-route", (change,), arguments)]
    changes = differences({"AuthorizationType": desired.route.auth}, {"AuthorizationType": current.route.auth})
    arguments["RouteId"] = current.route.id
    return [Action("http-api", desired.name, "set-route", changes, arguments)] if changes else []


def _stage(desired: HttpApi, current: HttpApi) -> list[Action]:
    if current.stage:
        return []
    return [
        Action(
            "http-api", desired.name, "create-stage", (FieldChange("+", "stage", new=_DEFAULT),), {"ApiId": current.id}
        )
    ]


def _cors(desired: HttpApi, current: HttpApi) -> list[Action]:
    new, old = desired.cors.to_json(), current.cors.to_json()
    changes = differences({"CorsConfiguration": new}, {"CorsConfiguration": old})
    if not changes:
        return []
    if not new:
        return [Action("http-api", desired.name, "delete-cors", changes, {"ApiId": current.id})]
    arguments: dict[str, JsonValue] = {"ApiId": current.id, "CorsConfiguration": new}
    return [Action("http-api", desired.name, "set-cors", changes, arguments)]
