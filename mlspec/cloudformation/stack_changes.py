"""What deploying a template would change in a stack, resource by resource. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from mlspec.aws.action import FieldChange
from mlspec.cloudformation.stack_template import StackTemplate, TemplateResource


def template_changes(desired: StackTemplate, current: StackTemplate | None) -> tuple[FieldChange, ...]:
    """A change for each resource that is added or removed, and for each property that differs. `current` is None where
    the stack does not exist."""
    there = current.resources if current else {}
    changes: list[FieldChange] = []
    for id, resource in desired.resources.items():
        before = there.get(id)
        if before is None or before.type != resource.type:
            changes.append(FieldChange("+" if before is None else "~", id, new=resource.type))
        else:
            changes += _differences(id, resource, before)
    removed = [FieldChange("-", id, old=there[id].type) for id in there if id not in desired.resources]
    return (*changes, *removed)


def parameter_changes(desired: Mapping[str, str], current: Mapping[str, str]) -> tuple[FieldChange, ...]:
    """A change for each parameter with another value. The values of secrets are not among them."""
    return tuple(
        FieldChange("~", f"parameter {name}", current[name], value)
        for name, value in desired.items()
        if name in current and current[name] != value
    )


def _differences(id: str, desired: TemplateResource, current: TemplateResource) -> Iterator[FieldChange]:
    for new, old in ((desired.properties, current.properties), (desired.attributes, current.attributes)):
        for name in dict.fromkeys((*new, *old)):
            if new.get(name) != old.get(name):
                yield _change(f"{id} {name}", old.get(name), new.get(name))


def _change(name: str, old: JsonValue, new: JsonValue) -> FieldChange:
    sign = "+" if old is None else "-" if new is None else "~"
    return FieldChange(sign, name, old, new)  # type: ignore[arg-type]  # one of the three signs
