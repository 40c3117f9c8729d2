"""The places of a spec that take free text, from the JSON Schema of the language, and specs that have them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

ANY: Final = "*"
"""A step of a path: each key of a map, or each item of a list."""
KeyPath: TypeAlias = tuple[str, ...]
Place: TypeAlias = tuple[str | int, ...]
"""A path in one spec, without `ANY`."""


def leaves(schema: Mapping[str, Any]) -> list[KeyPath]:
    """The path of every value that may be a text without a fixed set of values."""
    return sorted(set(_leaves(schema, schema, (), ())))


def _leaves(
    root: Mapping[str, Any], node: Mapping[str, Any], path: KeyPath, seen: tuple[str, ...]
) -> Iterator[KeyPath]:
    if (reference := node.get("$ref")) is not None:
        if reference not in seen:
            target: Any = root
            for step in reference.removeprefix("#/").split("/"):
                target = target[int(step)] if isinstance(target, list) else target[step]
            yield from _leaves(root, target, path, (*seen, reference))
        return
    for kind in ("anyOf", "oneOf", "allOf"):
        for inner in node.get(kind, ()):
            yield from _leaves(root, inner, path, seen)
    if (
        node.get("type") == "string"
        and not {"enum", "const"} & set(node)
        and "eference" not in node.get("description", "")
    ):
        yield path
    for name, inner in node.get("properties", {}).items():
        yield from _leaves(root, inner, (*path, name), seen)
    for inner in (node.get("items"), node.get("additionalProperties"), *node.get("patternProperties", {}).values()):
        if isinstance(inner, dict):
            yield from _leaves(root, inner, (*path, ANY), seen)


def place(spec: Any, path: KeyPath) -> Place | None:
    """Where a value of that path is in the spec, or can be; None without what holds it."""
    if len(path) == 1:
        if isinstance(spec, list):
            return (0,) if path[0] == ANY and spec and all(isinstance(one, str) for one in spec) else None
        if not isinstance(spec, dict):
            return None
        if path[0] != ANY:
            return (path[0],)
        texts = [key for key, value in spec.items() if isinstance(value, str)]
        return (texts[0],) if texts else None
    steps: Iterator[tuple[str | int, Any]] = iter(())
    if isinstance(spec, dict):
        steps = ((key, value) for key, value in spec.items() if path[0] in (ANY, key))
    elif isinstance(spec, list) and path[0] == ANY:
        steps = enumerate(spec)
    for step, inner in steps:
        if (rest := place(inner, path[1:])) is not None:
            return (step, *rest)
    return None


def with_values(spec: Mapping[str, Any], values: Mapping[Place, str]) -> dict[str, Any]:
    """The spec with these values."""
    changed = copy.deepcopy(dict(spec))
    for place, value in values.items():
        node: Any = changed
        for step in place[:-1]:
            node = node[step]
        node[place[-1]] = value
    return changed


def written(spec: Any) -> tuple[str, dict[int, Place]]:
    """The spec as YAML (JSON with one value on a line), and the place of the value that each line has."""
    lines: list[str] = []
    at: dict[int, Place] = {}

    def write(node: Any, place: Place, before: str, after: str) -> None:
        if isinstance(node, dict | list) and node:
            opening, closing = "{}" if isinstance(node, dict) else "[]"
            lines.append(before + opening)
            at[len(lines)] = place
            items: Sequence[tuple[str | int, Any]] = list(node.items() if isinstance(node, dict) else enumerate(node))
            for number, (key, value) in enumerate(items, 1):
                name = f"{_text(str(key))}: " if isinstance(node, dict) else ""
                write(value, (*place, key), name, "," if number < len(items) else "")
            lines.append(closing + after)
        else:
            lines.append(before + _text(node) + after)
            at[len(lines)] = place

    write(spec, (), "", "")
    return "\n".join(lines) + "\n", at


def _text(value: Any) -> str:
    """A scalar as JSON that is YAML: no surrogates."""
    text = json.dumps(value)
    if "\\ud" not in text:
        return text
    return json.dumps(value, ensure_ascii=False)


def shape(value: Any) -> int:
    """A digest of a parsed file without its texts: what injected structure would change."""
    if isinstance(value, dict):
        if len(value) == 1 and next(iter(value)) in ("Sub", "Join", "Fn::Sub", "Fn::Join"):
            return hash("str")  # a text of CloudFormation with `${`
        return hash(("map", *sorted(shape(inner) for inner in value.values())))
    if isinstance(value, list | tuple):
        return hash(("list", *(shape(inner) for inner in value)))
    return hash(type(value).__name__)


def maps(schema: Mapping[str, Any]) -> list[KeyPath]:
    """The path of every map whose keys a person chooses; those within an environment or an experiment are the same."""
    every = set(_maps(schema, schema, (), ()))
    return sorted(path for path in every if path[:1] not in (("environments",), ("experiments",)) or len(path) == 1)


def _maps(root: Mapping[str, Any], node: Mapping[str, Any], path: KeyPath, seen: tuple[str, ...]) -> Iterator[KeyPath]:
    if (reference := node.get("$ref")) is not None:
        if reference not in seen:
            target: Any = root
            for step in reference.removeprefix("#/").split("/"):
                target = target[int(step)] if isinstance(target, list) else target[step]
            yield from _maps(root, target, path, (*seen, reference))
        return
    for kind in ("anyOf", "oneOf", "allOf"):
        for inner in node.get(kind, ()):
            yield from _maps(root, inner, path, seen)
    for inner in (node.get("additionalProperties"), *node.get("patternProperties", {}).values()):
        if isinstance(inner, dict):
            yield path
            yield from _maps(root, inner, (*path, ANY), seen)
    for name, inner in node.get("properties", {}).items():
        yield from _maps(root, inner, (*path, name), seen)
    if isinstance(node.get("items"), dict):
        yield from _maps(root, node["items"], (*path, ANY), seen)


def with_keys(spec: Mapping[str, Any], keys: Mapping[Place, Any]) -> dict[str, Any]:
    """The spec with more entries: the last step of each place is the new key of a map, which may be new itself."""
    changed = copy.deepcopy(dict(spec))
    for place, value in keys.items():
        node: Any = changed
        for step in place[:-1]:
            if isinstance(node, dict) and not isinstance(node.get(step), dict | list):
                node[step] = {}
            node = node[step]
        node[place[-1]] = value
    return changed
