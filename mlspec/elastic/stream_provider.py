"""Data streams: created before anything reads them, and kept as their template says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from pydantic import JsonValue

from mlspec.aws.action import Action, FieldChange, create, unexpected
from mlspec.elastic.stack_client import StackClient, path_of
from mlspec.elastic.stack_resources import DataStream

Fields: TypeAlias = Mapping[str, JsonValue]


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
        fields = self._fields_of_indices(name)
        written = fields.pop(_write_index(row), {})
        return DataStream(
            name=name,
            retention=str(lifecycle.get("data_retention", "")) if isinstance(lifecycle, dict) else "",
            properties=written,
            failure_store=isinstance(store, dict) and store.get("enabled") is True,
            older=fields,
        )

    def _fields_of_indices(self, name: str) -> dict[str, Mapping[str, JsonValue]]:
        """The fields of each backing index."""
        answer = self.client.elasticsearch("GET", f"{path_of(name)}/_mapping") or {}
        return {index: _properties(mapped) for index, mapped in answer.items()}

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
        return [*actions, *_fields(desired, current), *_conflicts(desired, current)]

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
                # Of the write index only: an older one may have another type of a field, and would refuse all of them.
                self.client.elasticsearch("PUT", f"{path_of(action.name)}/_mapping?write_index_only=true", body)
            case "roll-over":
                self.client.elasticsearch("POST", f"{path_of(action.name)}/_rollover")
            case "delete":
                self.client.elasticsearch("DELETE", stream)
            case "report":
                pass
            case _:
                raise unexpected(action)


def _fields(desired: DataStream, current: DataStream) -> list[Action]:
    """Fields are added in place; a field that becomes another one needs a new index, which follows the template."""
    changed = tuple(changed_fields(desired.properties, current.properties))
    if changed:
        count = f"{len(changed)} field{'' if len(changed) == 1 else 's'} cannot be changed in the present one"
        return [
            Action("data-stream", desired.name, "roll-over", (FieldChange("+", "backing index", None, count), *changed))
        ]
    new, old = leaves(desired.properties), leaves(current.properties)
    added = tuple(FieldChange("+", name, None, kind) for name, kind in new.items() if name not in old)
    properties: JsonValue = dict(desired.properties)
    return [Action("data-stream", desired.name, "add-fields", added, {"properties": properties})] if added else []


def _conflicts(desired: DataStream, current: DataStream) -> Iterator[Action]:
    """Fields that are another one in an index with earlier documents, which nothing but its deletion changes."""
    indices: dict[FieldChange, list[str]] = {}
    for index, properties in (*current.older.items(), ("its present index", current.properties)):
        for change in changed_fields(desired.properties, properties):
            indices.setdefault(change, []).append(index)
    for change, names in indices.items():
        held = (
            f"{change.old} in {', '.join(names)}, {change.new} from then on. In Kibana the field is a conflict, and "
            f"ES|QL refuses queries with it, until retention ({desired.retention}) has deleted the earlier documents. "
            "Sooner: delete that index, with its documents, in Kibana (Stack Management > Index Management), or give "
            "the input another name"
        )
        shown = FieldChange("~", change.field, change.old, change.new)
        yield Action("data-stream", desired.name, "report", (shown,), held=held)


def changed_fields(desired: Fields, current: Fields, above: str = "") -> Iterator[FieldChange]:
    """Fields that exist and that Elasticsearch does not change in place: another type, not searchable, no group."""
    for name, field in desired.items():
        new, old = _kind(field), _kind(current.get(name))
        if old and new != old:
            yield FieldChange("~", above + name, old, new)
        elif old:
            yield from changed_fields(_properties(field), _properties(current.get(name)), f"{above}{name}.")


_FIXED: Final = (("index", "not searchable"), ("doc_values", "not aggregatable"), ("enabled", "not parsed"))
"""Parameters that cannot be changed from or to false, besides `subobjects`."""


def _kind(field: JsonValue) -> str:
    """What cannot be changed in place of a field; "" for none."""
    if not isinstance(field, dict):
        return ""
    kind = str(field.get("type", "object"))
    without = [words for name, words in (*_FIXED, ("subobjects", "with dots in names")) if _is_false(field.get(name))]
    return ", ".join([kind, *without])


def _is_false(value: JsonValue) -> bool:
    return str(value).lower() == "false"


def _properties(field: JsonValue) -> dict[str, JsonValue]:
    """The fields within a field or the mappings of an index."""
    inner = field.get("mappings", field) if isinstance(field, dict) else None
    properties = inner.get("properties") if isinstance(inner, dict) else None
    return properties if isinstance(properties, dict) else {}


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
