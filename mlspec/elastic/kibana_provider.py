"""Data views, dashboards and alert rules of Kibana, each under an id that mlspec chooses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from mlspec.aws.action import Action, FieldChange, create, replace_or_delete, unexpected
from mlspec.elastic.stack_client import StackClient, Version, path_of
from mlspec.elastic.stack_errors import import_failed
from mlspec.elastic.stack_resources import Json, StackDocument, document_changes

API_SINCE: Final[Version] = (9, 5)
"""The version of Kibana whose API of dashboards is stable; an older one imports saved objects."""
_FIXED: Final = ("rule_type_id", "consumer")
"""Of a rule that exists: these cannot be changed."""
_USERS: Final = ("actions",)
"""Of a rule: who is notified, which the team configures in Kibana."""
_TEXTS: Final = ("panelsJSON", "optionsJSON", "ignoreParentSettingsJSON")
"""Fields of a saved object that are JSON in a text."""


@dataclass(frozen=True)
class DataViewProvider:
    """Reads and changes data views."""

    client: StackClient

    def read(self, name: str) -> StackDocument | None:
        """The data view of that id; None where it does not exist."""
        answer = self.client.kibana("GET", f"/api/data_views/data_view{path_of(name)}")
        return None if answer is None else StackDocument("data-view", name, answer)

    def diff(self, desired: StackDocument | None, current: StackDocument | None) -> list[Action]:
        """What replaces it."""
        if desired is None:
            return _removal(current)
        if current is None:
            return [create("data-view", desired.shown, None, {"id": desired.name, "body": dict(desired.body)})]
        changes = document_changes({"data_view": desired.body["data_view"]}, current.body)
        return _replacement(desired, changes)

    def apply(self, action: Action) -> None:
        """Execute an action on a data view."""
        path = "/api/data_views/data_view"
        replace_or_delete(
            action,
            lambda: self.client.kibana("POST", path, _body(action)),
            lambda: self.client.kibana("DELETE", f"{path}{path_of(_id(action))}"),
        )


@dataclass(frozen=True)
class DashboardProvider:
    """Reads and changes dashboards through their API."""

    client: StackClient

    def read(self, name: str) -> StackDocument | None:
        """The dashboard of that id; None where it does not exist."""
        answer = self.client.kibana("GET", f"/api/dashboards{path_of(name)}")
        data = answer.get("data") if answer else None
        return StackDocument("dashboard", name, data) if isinstance(data, dict) else None

    def diff(self, desired: StackDocument | None, current: StackDocument | None) -> list[Action]:
        """What replaces it: a panel that was edited manually is shown, and gets its old form back."""
        if desired is None:
            return _removal(current)
        if current is None:
            return [create("dashboard", desired.shown, None, {"id": desired.name, "body": dict(desired.body)})]
        return _replacement(desired, document_changes(desired.body, current.body))

    def apply(self, action: Action) -> None:
        """Execute an action on a dashboard."""
        path = f"/api/dashboards{path_of(_id(action))}"
        replace_or_delete(
            action,
            lambda: self.client.kibana("PUT", path, _body(action)),
            lambda: self.client.kibana("DELETE", path),
        )


@dataclass(frozen=True)
class SavedDashboardProvider:
    """Reads and changes dashboards as saved objects, for a Kibana before 9.5. `objects` are the lines of the import."""

    client: StackClient
    objects: Sequence[Json]

    def read(self, name: str) -> StackDocument | None:
        """The dashboard of that id; None where it does not exist."""
        query: dict[str, JsonValue] = {"objects": [{"type": "dashboard", "id": name}], "excludeExportDetails": True}
        lines = self.client.kibana_lines("/api/saved_objects/_export", query)
        for line in lines or ():
            if line.get("id") == name and isinstance(attributes := line.get("attributes"), dict):
                return StackDocument("dashboard", name, _parsed(attributes))
        return None

    def diff(self, desired: StackDocument | None, current: StackDocument | None) -> list[Action]:
        """What imports it again."""
        if desired is None:
            return _removal(current)
        attributes = self.objects[-1]["attributes"]
        parsed = _parsed(attributes) if isinstance(attributes, dict) else {}
        if current is None:
            return [create("dashboard", desired.shown, None, {"id": desired.name})]
        changes = document_changes(parsed, current.body)
        return [Action("dashboard", desired.shown, "replace", changes, {"id": desired.name})] if changes else []

    def apply(self, action: Action) -> None:
        """Execute an action on a dashboard."""
        path = f"/api/saved_objects/dashboard{path_of(_id(action))}"
        replace_or_delete(action, self._import, lambda: self.client.kibana("DELETE", path))

    def _import(self) -> None:
        """Import the objects over those that exist. Raises StageError where Kibana refuses one."""
        path = "/api/saved_objects/_import?overwrite=true"
        answer = self.client.kibana_upload(path, "dashboard.ndjson", self.objects) or {}
        if answer.get("success") is not True:
            raise import_failed(answer.get("errors"))


@dataclass(frozen=True)
class AlertRuleProvider:
    """Reads and changes alert rules."""

    client: StackClient

    def read(self, name: str) -> StackDocument | None:
        """The rule of that id; None where it does not exist."""
        answer = self.client.kibana("GET", f"/api/alerting/rule{path_of(name)}")
        return None if answer is None else StackDocument("alert-rule", name, answer, str(answer.get("name", "")))

    def diff(self, desired: StackDocument | None, current: StackDocument | None) -> list[Action]:
        """What gives it the desired condition; who is notified stays as the team configured it."""
        if desired is None:
            return _removal(current)
        if current is None:
            return [create("alert-rule", desired.shown, None, {"id": desired.name, "body": dict(desired.body)})]
        body = {key: value for key, value in desired.body.items() if key not in (*_FIXED, *_USERS)}
        changes = document_changes(body, current.body)
        kept = {key: current.body[key] for key in _USERS if current.body.get(key)}
        whole: dict[str, JsonValue] = {"id": desired.name, "body": {**body, **kept}}
        return [Action("alert-rule", desired.shown, "update", changes, whole)] if changes else []

    def apply(self, action: Action) -> None:
        """Execute an action on a rule."""
        path = f"/api/alerting/rule{path_of(_id(action))}"
        match action.operation:
            case "create":
                self.client.kibana("POST", path, _body(action))
            case "update":
                self.client.kibana("PUT", path, _body(action))
            case "delete":
                self.client.kibana("DELETE", path)
            case _:
                raise unexpected(action)


def _removal(current: StackDocument | None) -> list[Action]:
    if current is None:
        return []
    return [Action(current.kind, current.shown, "delete", (), {"id": current.name})]


def _replacement(desired: StackDocument, changes: tuple[FieldChange, ...]) -> list[Action]:
    arguments: dict[str, JsonValue] = {"id": desired.name, "body": dict(desired.body)}
    return [Action(desired.kind, desired.shown, "replace", changes, arguments)] if changes else []


def _id(action: Action) -> str:
    return str(action.arguments["id"])


def _body(action: Action) -> Json:
    body = action.arguments["body"]
    return body if isinstance(body, dict) else {}


def _parsed(attributes: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The attributes of a saved object with their JSON texts parsed, so that their spelling does not count."""
    parsed: dict[str, JsonValue] = {}
    for key, value in attributes.items():
        if key in _TEXTS and isinstance(value, str):
            parsed[key] = json.loads(value)
        else:
            parsed[key] = _parsed(value) if isinstance(value, dict) else value
    return parsed
