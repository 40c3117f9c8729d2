"""Every key of the language with its kind, default and meaning, from the JSON Schema of the models. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mlspec.spec.names import flow

Shape = Mapping[str, Any]

ANY = "NAME"
"""The step below a mapping whose keys the user chooses."""
_KINDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "null": "nothing",
}
_LIMITS = (
    ("minimum", "from {}"),
    ("exclusiveMinimum", "above {}"),
    ("maximum", "to {}"),
    ("exclusiveMaximum", "below {}"),
)


class Key(NamedTuple):
    """One key. `variant` is the `type` that it belongs to, where a section may be one of several kinds."""

    path: tuple[str, ...]
    kind: str
    required: bool
    default: str
    description: str
    example: str
    variant: str = ""

    @property
    def dotted(self) -> str:
        """`data.split.valid`."""
        return ".".join(self.path)


def keys(schema: Shape) -> list[Key]:
    """All keys in the order of the models, each before those below it. `schema` is that of the root model."""
    return list(_Walk(schema["$defs"]).below((), schema, ""))


def below(found: Sequence[Key], dotted: str) -> list[Key]:
    """The key of that name (of several variants the key in each), and all directly below it. A step that the user
    chooses may be any."""
    steps = tuple(dotted.split("."))
    return [key for key in found if len(steps) <= len(key.path) <= len(steps) + 1 and _leads(key.path, steps)]


def markdown(found: Sequence[Key]) -> str:
    """All keys as a document: a chapter for each section, in it a table."""
    lines = ["# The keys of mlproject.yaml", "", _INTRODUCTION, ""]
    for section in (key for key in found if len(key.path) == 1):
        inside = [key for key in found if key.path[0] == section.path[0] and len(key.path) > 1]
        lines += [f"## `{section.dotted}`", "", f"{section.description}.{' Required.' if section.required else ''}", ""]
        for variant in dict.fromkeys(key.variant for key in inside):
            if variant:
                lines += [f"### `type: {variant}`", ""]
            lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
            lines += [_row(key) for key in inside if key.variant == variant]
            lines.append("")
        if not inside:
            lines += [f"Value: {section.kind}.", ""]
    return "\n".join(lines).rstrip() + "\n"


_INTRODUCTION = """\
Generated from the models that check a spec, by `mlspec schema --markdown`. In a terminal `mlspec explain KEY` shows a
key; in an editor the JSON Schema (`mlspec schema`) does, while you type. `NAME` stands for a name of your choice. Any
value may be a reference to another one, as in `${project.name}`."""


def _row(key: Key) -> str:
    default = "required" if key.required else f"`{key.default}`" if key.default else ""
    example = f"; for example `{key.example}`" if key.example else ""
    cells = (f"`{'.'.join(key.path[1:])}`", key.kind, default, f"{key.description}{example}")
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _leads(path: Sequence[str], steps: Sequence[str]) -> bool:
    return all(at in (step, ANY) for at, step in zip(path, steps, strict=False))


class _Walk:
    def __init__(self, definitions: Mapping[str, Shape]) -> None:
        self.definitions = definitions

    def below(self, path: tuple[str, ...], shape: Shape, variant: str) -> Iterator[Key]:
        """The keys below a mapping, or below each of the mappings that it may be."""
        for member in self.members(shape):
            mine = self.tag(member) if len(self.mappings(shape)) > 1 else ""
            for name, value in member.get("properties", {}).items():
                key = self.key((*path, name), value, name in member.get("required", ()), mine or variant)
                yield key
                yield from self.below(key.path, value, mine or variant)
            values = member.get("additionalProperties")
            if isinstance(values, Mapping) and self.mappings(values):
                yield self.key((*path, ANY), values, False, variant)
                yield from self.below((*path, ANY), values, variant)
            if isinstance(member.get("items"), Mapping):
                yield from self.below(path, member["items"], variant)

    def key(self, path: tuple[str, ...], shape: Shape, required: bool, variant: str) -> Key:
        given = shape.get("default")
        # What a mapping has by default stands at its own keys.
        default = "" if required or given in (None, "", []) or isinstance(given, Mapping) else flow(given)
        described = next((s["description"] for s in (shape, *self.members(shape)) if s.get("description")), "")
        examples = shape.get("examples") or [e for m in self.members(shape) for e in m.get("examples", ())]
        return Key(path, self.kind(shape), required, default, described, flow(examples[0]) if examples else "", variant)

    def members(self, shape: Shape) -> list[Shape]:
        """What it may be, references followed."""
        if "$ref" in shape:
            return self.members(self.definitions[shape["$ref"].rpartition("/")[2]])
        choices = shape.get("anyOf") or shape.get("oneOf")
        return [m for choice in choices for m in self.members(choice)] if choices else [shape]

    def mappings(self, shape: Shape) -> list[Shape]:
        """Of the members those with keys of their own."""
        return [member for member in self.members(shape) if "properties" in member]

    def tag(self, shape: Shape) -> str:
        found = shape.get("properties", {}).get("type", {})
        return str(found.get("const") or found.get("default") or shape.get("title", "").lower())

    def kind(self, shape: Shape) -> str:
        """What stands there, in words: `whole number from 1`, `one of: a, b`, `list of text`."""
        kinds = dict.fromkeys(self.single(member) for member in self.members(shape) if member.get("type") != "null")
        return " or ".join(kinds) or "anything"

    def single(self, shape: Shape) -> str:
        if "const" in shape or "enum" in shape:
            choices = [shape["const"]] if "const" in shape else shape["enum"]
            return _either([f"`{flow(choice)}`" for choice in choices])
        kind = shape.get("type")
        if kind == "array":
            inner = self.kind(shape["items"]) if isinstance(shape.get("items"), Mapping) else "anything"
            return f"list of {inner}"
        if kind == "object":
            values = shape.get("additionalProperties")
            return f"mapping of names to {self.kind(values)}" if isinstance(values, Mapping) else "mapping"
        limits = [words.format(flow(shape[name])) for name, words in _LIMITS if name in shape]
        return " ".join([_KINDS.get(str(kind), "anything"), *limits])


def _either(words: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
