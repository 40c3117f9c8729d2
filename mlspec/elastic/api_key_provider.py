"""API keys of the server and of `mlspec monitor`. A key is written once, to a file that only its owner can read.

A marker beside the file exists from before a key is created until it is written: a key that an interrupted apply left
without a file is found by it, and replaced.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from pydantic import JsonValue

from mlspec.aws.action import Action, FieldChange, create, unexpected
from mlspec.elastic.document_provider import owner
from mlspec.elastic.stack_client import StackClient, path_of
from mlspec.elastic.stack_errors import foreign
from mlspec.elastic.stack_resources import ApiKey, document_changes
from mlspec.job import whole, write_text

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
        if self._is_lost(desired, current):
            lost = FieldChange("-", "", "created by an interrupted apply, which did not write it")
            removed = Action("api-key", current.name, "delete", (lost,), {"ids": [current.id]})
            return [removed, *self.diff(desired, None)]
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
                file = Path(str(action.arguments["file"]))
                write_text(_marker(file), f"{action.name}\n")
                answer = self.client.elasticsearch("POST", "/_security/api_key", body) or {}
                self._write(file, str(answer.get("encoded", "")))
                _marker(file).unlink(missing_ok=True)
            case "set-privileges":
                self.client.elasticsearch("PUT", f"/_security/api_key{path_of(str(action.arguments['id']))}", body)
            case "delete":
                self.client.elasticsearch("DELETE", "/_security/api_key", action.arguments)
            case _:
                raise unexpected(action)

    def _is_lost(self, desired: ApiKey, current: ApiKey) -> bool:
        """Whether the valid key was created by an apply that ended before it was written."""
        if not _marker(desired.file).is_file():
            return False
        try:
            lines = desired.file.read_text(encoding="utf-8").splitlines()
        except OSError:
            return True
        return all(_key_id(line.partition("=")[2]) != current.id for line in lines)

    def _write(self, file: Path, key: str) -> None:
        """Write the key where git ignores it; Elasticsearch never shows it again."""
        lines = [f"{name}={value}\n" for name, value in self.variables(key).items()]
        with whole(file) as partial, os.fdopen(os.open(partial, _PRIVATE, 0o600), "w", encoding="utf-8") as opened:
            opened.writelines(lines)


def forget(file: Path, ids: JsonValue) -> None:
    """Delete the file of a key that was removed; that of another key stays."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    if isinstance(ids, list) and any(_key_id(line.partition("=")[2]) in ids for line in lines):
        file.unlink(missing_ok=True)


def _marker(file: Path) -> Path:
    """Beside the file of a key: exists while the key is created."""
    return file.with_name(f"{file.name}.creating")


def _key_id(encoded: str) -> str:
    """The id in an encoded key (base64 of ID:KEY); empty for anything else."""
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""
