"""Every key of the language with its type, default and description, from the JSON Schema of the models. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mlspec.render.quoting import flow

Shape = Mapping[str, Any]

ANY = "NAME"
"""The step below a mapping with free keys."""
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
    """One key. `variant` is the `type` that it belongs to, if the section is a union."""

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


def below(every: Sequence[Key], dotted: str) -> list[Key]:
    """The key `dotted`, in each variant, and the keys directly below it. A free step matches any name."""
    steps = tuple(dotted.split("."))
    return [key for key in every if len(steps) <= len(key.path) <= len(steps) + 1 and _leads(key.path, steps)]


def markdown(every: Sequence[Key]) -> str:
    """All keys as a Markdown document: a table for each section."""
    lines = ["# The keys of mlproject.yaml", "", _INTRODUCTION, ""]
    for section in (key for key in every if len(key.path) == 1):
        inside = [key for key in every if key.path[0] == section.path[0] and len(key.path) > 1]
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
Generated from the models that validate a spec, by `mlspec schema --markdown`. `mlspec explain KEY` prints the same for
one key; with the JSON Schema (`mlspec schema`) an editor shows it while you type. `NAME` stands for a name of your
choice. Any value may be a reference to another value, as in `${project.name}`."""


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
        """The keys below a mapping, or below each member of a union of mappings."""
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
        value = shape.get("default")
        # The keys of a mapping have their own defaults.
        default = "" if required or value in (None, "", []) or isinstance(value, Mapping) else flow(value)
        described = next((s["description"] for s in (shape, *self.members(shape)) if s.get("description")), "")
        examples = shape.get("examples") or [e for m in self.members(shape) for e in m.get("examples", ())]
        return Key(path, self.kind(shape), required, default, described, flow(examples[0]) if examples else "", variant)

    def members(self, shape: Shape) -> list[Shape]:
        """The members of a union, with references followed."""
        if "$ref" in shape:
            return self.members(self.definitions[shape["$ref"].rpartition("/")[2]])
        choices = shape.get("anyOf") or shape.get("oneOf")
        return [m for choice in choices for m in self.members(choice)] if choices else [shape]

    def mappings(self, shape: Shape) -> list[Shape]:
        """The members that are mappings with keys."""
        return [member for member in self.members(shape) if "properties" in member]

    def tag(self, shape: Shape) -> str:
        tag = shape.get("properties", {}).get("type", {})
        return str(tag.get("const") or tag.get("default") or shape.get("title", "").lower())

    def kind(self, shape: Shape) -> str:
        """The type in words: `whole number from 1`, `a or b`, `list of text`."""
        kinds = dict.fromkeys(self.single(member) for member in self.members(shape) if member.get("type") != "null")
        if "number" in kinds:
            kinds.pop("whole number", None)
        return _either(list(kinds)) if kinds else "anything"

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
