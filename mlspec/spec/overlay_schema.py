"""The schema of overlays: the sections of a spec without required keys, and dotted keys into them. Pure.

A key whose schema is the same as in the spec itself is a `$ref` to it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

PARTIAL = "Partial"
"""Prefix of the definitions that repeat another one without required keys."""
_UNIONS = ("anyOf", "oneOf")
_HELD = ("required", "minProperties")

Shape = dict[str, Any]


def partials(definitions: Mapping[str, Shape]) -> dict[str, Shape]:
    """A definition without required keys for each that has some, directly or further down; by its new name."""
    needed = _needed(definitions)
    shapes = {name: _loose(definitions[name], needed) for name in needed}
    return {f"{PARTIAL}{name}": _short(loose, definitions[name], f"#/$defs/{name}") for name, loose in shapes.items()}


def overlay(properties: Mapping[str, Shape], definitions: Mapping[str, Shape], sections: Sequence[str]) -> Shape:
    """The sections of a spec without required keys."""
    full = {
        "type": "object",
        "description": "Values that replace those of the spec; all others stay.",
        "properties": {name: properties[name] for name in sections},
        "additionalProperties": False,
    }
    return _short(_loose(full, _needed(definitions)), full, "#")


def dotted(schema: Mapping[str, object], start: str) -> tuple[dict[str, Shape], dict[str, Shape]]:
    """Dotted keys (`train.max_epochs`) into the properties at `start`, and patterns of those with free names."""
    names: dict[str, list[str]] = {}
    patterns: dict[str, list[str]] = {}
    for name in _at(schema, start)["properties"]:
        for key in _keys(schema, f"{start}/properties/{name}", _Way(name, re.escape(name), plain=True)):
            group = names.setdefault(key.way.name, []) if key.way.plain else patterns.setdefault(key.way.pattern, [])
            if key.pointer not in group:
                group.append(key.pointer)
    return (
        {name: _either(schema, pointers) for name, pointers in names.items()},
        {f"^{pattern}$": _either(schema, pointers) for pattern, pointers in patterns.items()},
    )


class _Way(NamedTuple):
    """A dotted key: as text if all its steps are known, and as a pattern."""

    name: str
    pattern: str
    plain: bool

    def step(self, name: str) -> _Way:
        return _Way(f"{self.name}.{name}", rf"{self.pattern}\.{re.escape(name)}", self.plain)

    def any(self) -> _Way:
        return _Way("", rf"{self.pattern}\.[^.]+", plain=False)

    def below(self) -> _Way:
        return _Way("", rf"{self.pattern}\..+", plain=False)


class _Key(NamedTuple):
    way: _Way
    pointer: str


def _either(schema: Mapping[str, object], pointers: Sequence[str]) -> Shape:
    refs: list[Shape] = [{"$ref": pointer} if pointer else {} for pointer in pointers]
    if len(refs) == 1:
        return refs[0]
    first = _at(schema, pointers[0])
    while set(first) == {"$ref"}:
        first = _at(schema, first["$ref"])
    return {"anyOf": refs, "description": first.get("description", "")}


def _keys(schema: Mapping[str, object], pointer: str, way: _Way) -> Iterator[_Key]:
    """Every key below `pointer`, whose dotted key is `way`."""
    for place, mapping in _objects(schema, pointer):
        for name in mapping.get("properties", {}):
            yield _Key(way.step(name), f"{place}/properties/{name}")
            yield from _keys(schema, f"{place}/properties/{name}", way.step(name))
        free = mapping.get("additionalProperties")
        if isinstance(free, dict):
            yield _Key(way.any(), f"{place}/additionalProperties")
            yield from _keys(schema, f"{place}/additionalProperties", way.any())
        elif free is True:
            yield _Key(way.below(), "")


def _objects(schema: Mapping[str, object], pointer: str) -> Iterator[tuple[str, Shape]]:
    """The mappings that are allowed at `pointer`, each with its own pointer."""
    shape = _at(schema, pointer)
    if "$ref" in shape:
        yield from _objects(schema, shape["$ref"])
    for union in _UNIONS:
        for index in range(len(shape.get(union, ()))):
            yield from _objects(schema, f"{pointer}/{union}/{index}")
    if shape.get("type") == "object":
        yield pointer, shape


def _at(schema: Mapping[str, object], pointer: str) -> Shape:
    value: Any = schema
    for step in pointer.removeprefix("#/").split("/"):
        value = value[int(step) if isinstance(value, list) else step]
    shape: Shape = value
    return shape


def _needed(definitions: Mapping[str, Shape]) -> list[str]:
    """Definitions that require a key, or refer to one that does."""
    needed: set[str] = set()
    while more := {n for n, shape in definitions.items() if n not in needed and _loose(shape, needed) != shape}:
        needed |= more
    return [name for name in definitions if name in needed]


def _loose(shape: Shape, needed: Collection[str]) -> Shape:
    """`shape` without required keys, down to lists and scalars, which an overlay replaces as a whole."""
    loose: Shape = {}
    for key, value in shape.items():
        if key == "$ref":
            name = value.removeprefix("#/$defs/")
            loose[key] = f"#/$defs/{PARTIAL}{name}" if name in needed else value
        elif key in _UNIONS:
            members = [_loose(member, needed) for member in value]
            loose[key if members == value else "anyOf"] = members  # without required keys several members may match
        elif key == "properties":
            loose[key] = {name: _loose(inner, needed) for name, inner in value.items()}
        elif key == "additionalProperties" and isinstance(value, dict):
            loose[key] = _loose(value, needed)
        elif key not in _HELD:
            loose[key] = value
    return loose


def _short(loose: Shape, full: Shape, pointer: str) -> Shape:
    """`loose` with a `$ref` for each property that is the same in `full`, which is at `pointer`."""
    same = full.get("properties", {})
    properties = {
        name: {"$ref": f"{pointer}/properties/{name}"} if shape == same[name] else shape
        for name, shape in loose.get("properties", {}).items()
    }
    return {**loose, "properties": properties} if properties else loose
