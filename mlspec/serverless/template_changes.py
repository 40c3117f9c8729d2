"""The difference of two templates of a stack: what a deployment of the one changes in the other. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import JsonValue

from mlspec.aws.action import FieldChange
from mlspec.cloudformation.stack_template import StackTemplate, TemplateResource

_UPLOADED: Final = ("S3Key", "S3ObjectVersion")
"""Where a package lies in the bucket: another place with each upload, also of the same code."""


def template_changes(desired: StackTemplate, current: StackTemplate) -> tuple[FieldChange, ...]:
    """What makes a stack of `current` one of `desired`: each resource, and of one that exists each property."""
    ids = [*desired.resources, *(id for id in current.resources if id not in desired.resources)]
    return tuple(change for id in ids for change in _changes(id, desired, current))


def removed(current: StackTemplate) -> tuple[FieldChange, ...]:
    """What deleting a stack removes; a resource that is retained stays."""
    return tuple(
        FieldChange("-", f"{one.type} {id}")
        for id, one in current.resources.items()
        if one.attributes.get("DeletionPolicy") != "Retain"
    )


def _changes(id: str, desired: StackTemplate, current: StackTemplate) -> Iterator[FieldChange]:
    new, old = desired.resources.get(id), current.resources.get(id)
    if new is not None and old is not None:
        yield from _property_changes(f"{new.type} {id}", _settings(new), _settings(old))
    elif new is not None:
        yield FieldChange("+", f"{new.type} {id}")
    elif old is not None and old.attributes.get("DeletionPolicy") != "Retain":
        yield FieldChange("-", f"{old.type} {id}")


def _property_changes(name: str, new: Mapping[str, JsonValue], old: Mapping[str, JsonValue]) -> Iterator[FieldChange]:
    for key in {**new, **old}:
        before, after = old.get(key), new.get(key)
        if before != after:
            yield FieldChange("+" if before is None else "-" if after is None else "~", f"{name} {key}", before, after)


def _settings(resource: TemplateResource) -> Mapping[str, JsonValue]:
    """The properties and attributes, without the place of an uploaded package and the order of creation."""
    code = resource.properties.get("Code")
    kept = {name: value for name, value in code.items() if name not in _UPLOADED} if isinstance(code, dict) else code
    code_only: dict[str, JsonValue] = {} if kept is None else {"Code": kept}
    attributes = {name: value for name, value in resource.attributes.items() if name != "DependsOn"}
    return {**resource.properties, **attributes, **code_only}
