"""Data streams: created before anything reads them, and kept as their template says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from mlspec.aws.action import Action, FieldChange, create, unexpected
from mlspec.elastic.stack_client import StackClient, path_of
from mlspec.elastic.stack_resources import DataStream


@dataclass(frozen=True)
class DataStreamProvider:
    """Reads and changes data streams. An existing one does not follow a change of its template by itself."""

    client: StackClient

    def read(self, name: str) -> DataStream | None:
        """The data stream as it is; None where it does not exist."""
        answer = self.client.elasticsearch("GET", f"/_data_stream{path_of(name)}")
        rows = answer.get("data_streams") if answer else None
        named = (row for row in rows if isinstance(row, dict)) if isinstance(rows, list) else ()
        row = next((row for row in named if row.get("name") == name), None)
        if row is None:
            return None
        store, lifecycle = row.get("failure_store"), row.get("lifecycle")
        return DataStream(
            name=name,
            retention=str(lifecycle.get("data_retention", "")) if isinstance(lifecycle, dict) else "",
            properties=self._properties(name, _write_index(row)),
            failure_store=isinstance(store, dict) and store.get("enabled") is True,
        )

    def _properties(self, name: str, index: str) -> Mapping[str, JsonValue]:
        """The fields of the index that documents are written to."""
        answer = self.client.elasticsearch("GET", f"{path_of(name)}/_mapping") or {}
        mapped = answer.get(index)
        mappings = mapped.get("mappings") if isinstance(mapped, dict) else None
        properties = mappings.get("properties") if isinstance(mappings, dict) else None
        return properties if isinstance(properties, dict) else {}

    def documents(self, name: str) -> int:
        """Number of documents in a data stream."""
        count = (self.client.elasticsearch("GET", f"{path_of(name)}/_count") or {}).get("count")
        return count if isinstance(count, int) else 0

    def diff(self, desired: DataStream | None, current: DataStream | None) -> list[Action]:
        """What creates it, and gives it the desired retention, fields and failure store."""
        if desired is None:
            return [] if current is None else [Action("data-stream", current.name, "delete", ())]
        name, lifecycle = desired.name, {"data_retention": desired.retention}
        if current is None:
            return [create("data-stream", name, desired.retention, lifecycle)]
        actions: list[Action] = []
        if desired.retention != current.retention:
            change = FieldChange("~", "retention", current.retention or None, desired.retention)
            actions.append(Action("data-stream", name, "set-retention", (change,), lifecycle))
        if desired.failure_store and not current.failure_store:
            change = FieldChange("+", "failure store")
            actions.append(
                Action("data-stream", name, "keep-failures", (change,), {"failure_store": {"enabled": True}})
            )
        return [*actions, *_fields(desired, current)]

    def apply(self, action: Action) -> None:
        """Execute an action on a data stream."""
        stream, body = f"/_data_stream{path_of(action.name)}", action.arguments
        match action.operation:
            case "create":
                self.client.elasticsearch("PUT", stream)
                self.client.elasticsearch("PUT", f"{stream}/_lifecycle", body)
            case "set-retention":
                self.client.elasticsearch("PUT", f"{stream}/_lifecycle", body)
            case "keep-failures":
                self.client.elasticsearch("PUT", f"{stream}/_options", body)
            case "add-fields":
                self.client.elasticsearch("PUT", f"{path_of(action.name)}/_mapping", body)
            case "roll-over":
                self.client.elasticsearch("POST", f"{path_of(action.name)}/_rollover")
            case "delete":
                self.client.elasticsearch("DELETE", stream)
            case _:
                raise unexpected(action)


def _fields(desired: DataStream, current: DataStream) -> list[Action]:
    """Fields are added in place; a field of another type needs a new index, which has the mappings of the template."""
    new, old = leaves(desired.properties), leaves(current.properties)
    changed = [FieldChange("~", name, old[name], kind) for name, kind in new.items() if old.get(name, kind) != kind]
    if changed:
        return [Action("data-stream", desired.name, "roll-over", tuple(changed))]
    added = tuple(FieldChange("+", name, None, kind) for name, kind in new.items() if name not in old)
    properties: JsonValue = dict(desired.properties)
    return [Action("data-stream", desired.name, "add-fields", added, {"properties": properties})] if added else []


def leaves(properties: Mapping[str, JsonValue], above: str = "") -> dict[str, str]:
    """The type of each field by its full name."""
    types: dict[str, str] = {}
    for name, field in properties.items():
        if not isinstance(field, dict):
            continue
        inner = field.get("properties")
        if isinstance(inner, dict):
            types |= leaves(inner, f"{above}{name}.")
        else:
            types[above + name] = str(field.get("type", "object"))
    return types


def _write_index(row: Mapping[str, JsonValue]) -> str:
    indices = row.get("indices")
    last = indices[-1] if isinstance(indices, list) and indices else None
    return str(last.get("index_name", "")) if isinstance(last, dict) else ""
