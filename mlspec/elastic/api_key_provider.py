"""API keys of the server and of `mlspec monitor`. A key is written once, to a file that only its owner can read."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from pydantic import JsonValue

from mlspec.aws.action import Action, create, unexpected
from mlspec.elastic.document_provider import owner
from mlspec.elastic.stack_client import StackClient, path_of
from mlspec.elastic.stack_errors import foreign
from mlspec.elastic.stack_resources import ApiKey, document_changes
from mlspec.job import whole

_PRIVATE: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


@dataclass(frozen=True)
class ApiKeyProvider:
    """Reads, creates and changes API keys. `variables` is what the file has beside the key: the address."""

    client: StackClient
    project: str
    variables: Callable[[str], dict[str, str]]

    def read(self, name: str) -> ApiKey | None:
        """The valid key of that name; None where there is none."""
        answer = self.client.elasticsearch("GET", f"/_security/api_key?name={quote(name)}&active_only=true")
        rows = answer.get("api_keys") if answer else None
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict) and row.get("name") == name and not row.get("invalidated"):
                body: dict[str, JsonValue] = {key: row.get(key) for key in ("role_descriptors", "metadata")}
                return ApiKey(name, body, id=str(row.get("id", "")))
        return None

    def diff(self, desired: ApiKey | None, current: ApiKey | None) -> list[Action]:
        """What creates the key, or gives it the desired privileges."""
        if desired is None:
            return [] if current is None else [Action("api-key", current.name, "delete", (), {"ids": [current.id]})]
        if current is None:
            arguments: dict[str, JsonValue] = {"body": dict(desired.body), "file": str(desired.file)}
            return [create("api-key", desired.name, f"the key is written to {desired.file}", arguments)]
        if (whose := owner(current.body)) != self.project:
            raise foreign(f"the API key {current.name}", whose)
        rights = {key: desired.body[key] for key in ("role_descriptors", "metadata")}
        changes = document_changes(rights, current.body)
        update: dict[str, JsonValue] = {"id": current.id, "body": rights}
        return [Action("api-key", desired.name, "set-privileges", changes, update)] if changes else []

    def apply(self, action: Action) -> None:
        """Execute an action on a key."""
        body = action.arguments.get("body")
        body = body if isinstance(body, dict) else {}
        match action.operation:
            case "create":
                answer = self.client.elasticsearch("POST", "/_security/api_key", body) or {}
                self._write(Path(str(action.arguments["file"])), str(answer.get("encoded", "")))
            case "set-privileges":
                self.client.elasticsearch("PUT", f"/_security/api_key{path_of(str(action.arguments['id']))}", body)
            case "delete":
                self.client.elasticsearch("DELETE", "/_security/api_key", action.arguments)
            case _:
                raise unexpected(action)

    def _write(self, file: Path, key: str) -> None:
        """Write the key where git ignores it; Elasticsearch never shows it again."""
        lines = [f"{name}={value}\n" for name, value in self.variables(key).items()]
        with whole(file) as partial, os.fdopen(os.open(partial, _PRIVATE, 0o600), "w", encoding="utf-8") as opened:
            opened.writelines(lines)
