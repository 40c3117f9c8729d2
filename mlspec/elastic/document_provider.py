"""Resources that are one JSON document: read, compared and replaced as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from mlspec.aws.action import Action, ResourceKind, create, replace_or_delete
from mlspec.elastic.stack_client import StackClient, path_of
from mlspec.elastic.stack_errors import foreign
from mlspec.elastic.stack_resources import StackDocument, document_changes

_PATHS: Final[Mapping[ResourceKind, str]] = {
    "component-template": "_component_template",
    "index-template": "_index_template",
    "ingest-pipeline": "_ingest/pipeline",
}


@dataclass(frozen=True)
class DocumentProvider:
    """Reads and changes templates and ingest pipelines, which all have a `_meta` that names their project."""

    client: StackClient
    kind: ResourceKind
    project: str

    def read(self, name: str) -> StackDocument | None:
        """The document with its defaults; None where it does not exist."""
        answer = self.client.elasticsearch("GET", self._path(name))
        body = _body(self.kind, name, answer or {})
        return None if body is None else StackDocument(self.kind, name, body)

    def diff(self, desired: StackDocument | None, current: StackDocument | None) -> list[Action]:
        """What replaces the document. Raises StageError for one of another project."""
        if desired is None:
            return [] if current is None else [Action(self.kind, current.name, "delete", ())]
        if current is None:
            return [create(self.kind, desired.name, None, desired.body)]
        if (whose := owner(current.body)) != self.project:
            raise foreign(f"the {self.kind.replace('-', ' ')} {current.name}", whose)
        changes = document_changes(desired.body, current.body)
        return [Action(self.kind, desired.name, "replace", changes, desired.body)] if changes else []

    def apply(self, action: Action) -> None:
        """Execute an action on a document."""
        path = self._path(action.name)
        replace_or_delete(
            action,
            lambda: self.client.elasticsearch("PUT", path, action.arguments),
            lambda: self.client.elasticsearch("DELETE", path),
        )

    def _path(self, name: str) -> str:
        return f"/{_PATHS[self.kind]}{path_of(name)}"


def owner(body: Mapping[str, JsonValue]) -> str:
    """The project that a document's metadata names; "" where it is not mlspec's."""
    for key in ("_meta", "metadata"):
        meta = body.get(key)
        ours = meta.get("mlspec") if isinstance(meta, dict) else None
        if isinstance(ours, dict):
            return str(ours.get("project", ""))
    return ""


def _body(kind: ResourceKind, name: str, answer: Mapping[str, JsonValue]) -> dict[str, JsonValue] | None:
    """The document in Elasticsearch's answer."""
    if kind == "ingest-pipeline":
        body = answer.get(name)
        return body if isinstance(body, dict) else None
    noun = kind.replace("-", "_")
    rows = answer.get(f"{noun}s")
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and row.get("name") == name and isinstance(body := row.get(noun), dict):
            return body
    return None
