"""What a project has in Elasticsearch and Kibana, as values, and how two of them differ. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from mlspec.aws.action import FieldChange, ResourceKind

Json = Mapping[str, JsonValue]
_SHOWN: Final = 6
"""Differences of one resource that are named; of more, the rest is counted."""


@dataclass(frozen=True, slots=True)
class StackDocument:
    """A resource that is one JSON document under a name or an id. `title` is what a person calls it."""

    kind: ResourceKind
    name: str
    body: Json
    title: str = ""

    @property
    def shown(self) -> str:
        """Its name for a person."""
        return self.title or self.name


@dataclass(frozen=True, slots=True)
class DataStream:
    """A data stream: how long documents stay, the mappings of its write index, and whether it keeps what it refuses."""

    name: str
    retention: str
    properties: Json
    failure_store: bool = True
    older: Mapping[str, Json] = field(default_factory=dict)
    """The mappings of the other indices, with earlier documents, by name."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key; `file` is where a new one is written, `id` that of one that exists."""

    name: str
    body: Json
    file: Path = Path()
    id: str = ""


@dataclass(frozen=True, slots=True)
class DesiredStack:
    """Everything that a spec describes, in the order in which it is created."""

    project: str
    templates: Sequence[StackDocument]
    pipeline: StackDocument
    streams: Sequence[DataStream]
    keys: Sequence[ApiKey]
    data_view: StackDocument | None = None
    dashboard: StackDocument | None = None
    saved_dashboard: Sequence[Json] = ()
    """The dashboard as saved objects, for a Kibana without the API of dashboards."""
    rules: Sequence[StackDocument] = ()


def for_serverless(document: StackDocument) -> StackDocument:
    """A component template without the settings that a serverless project manages itself: replicas and ILM."""
    template = document.body.get("template")
    settings = template.get("settings") if isinstance(template, dict) else None
    index = settings.get("index") if isinstance(settings, dict) else None
    if not isinstance(template, dict) or not isinstance(index, dict):
        return document
    kept = {key: value for key, value in index.items() if key not in ("lifecycle", "number_of_replicas")}
    return replace(document, body={**document.body, "template": {**template, "settings": {"index": kept}}})


def document_changes(desired: Json, current: Json) -> tuple[FieldChange, ...]:
    """A change for each desired value that is another one in `current`; what only `current` has is a default."""
    changes = list(_changes(dict(desired), dict(current), ""))
    if len(changes) > _SHOWN:
        more = FieldChange("~", f"and {len(changes) - _SHOWN} more")
        return (*changes[:_SHOWN], more)
    return tuple(changes)


def _changes(desired: JsonValue, current: JsonValue, path: str) -> Iterator[FieldChange]:
    if isinstance(desired, Mapping) and isinstance(current, Mapping):
        for key, value in desired.items():
            yield from _changes(value, current.get(key), f"{path}.{key}" if path else key)
    elif isinstance(desired, list) and isinstance(current, list):
        if len(desired) != len(current):
            yield FieldChange("~", path, _count(current), _count(desired))
            return
        for at, (new, old) in enumerate(zip(desired, current, strict=True)):
            yield from _changes(new, old, f"{path}[{at}]")
    elif not _same(desired, current):
        yield FieldChange("+" if current is None else "~", path, current, desired)


def _same(desired: JsonValue, current: JsonValue) -> bool:
    """Whether both mean the same: Elasticsearch answers settings as texts, and leaves empty objects out."""
    if desired in (None, "", [], {}) and current in (None, "", [], {}):
        return True
    return _text(desired) == _text(current)


def _text(value: JsonValue) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    return str(value)


def _count(items: Sequence[object]) -> str:
    return f"{len(items)} item{'' if len(items) == 1 else 's'}"
