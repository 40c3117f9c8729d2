"""The JSON Schema (2020-12) of the language, generated from the models that validate it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from mlspec.spec.overlay_schema import dotted, overlay, partials
from mlspec.spec.root import HasSections, root_model

_REFERENCE = {"type": "string", "pattern": r"^\$\{[^{}]+\}$", "description": "A reference to another value of the spec"}
_INSIDE = {
    "type": "string",
    "pattern": r"\$\{[^{}]+\}",
    "description": "Text with references to other values",
}
_BESIDE = ("default", "description", "examples", "deprecated")
_NARROWING = ("pattern", "enum", "const", "minLength", "maxLength", "format")


class _Generator(GenerateJsonSchema):
    """No titles: those derived from Python names repeat the key."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - pydantic's signature
        return False


def json_schema(parts: Sequence[HasSections]) -> dict[str, Any]:
    """The schema of a whole spec. Any value may also be a reference; a section without required keys may be empty."""
    schema = plain_schema(parts)
    definitions = schema.get("$defs", {})
    empty = {f"#/$defs/{name}" for name, shape in definitions.items() if _all_optional(shape)}
    # Editors show hover texts also beside `$ref`; `additionalProperties: false` detects misspelt keys.
    for definition in [schema, *definitions.values()]:
        definition.pop("title", None)  # the name of a class, which an editor would show above the description
        for name, shape in definition.get("properties", {}).items():
            definition["properties"][name] = _widened(shape, empty)
    _lay_over(schema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mlproject.yaml",
        **{key: value for key, value in schema.items() if key != "title"},
    }


def plain_schema(parts: Sequence[HasSections]) -> dict[str, Any]:
    """The schema of the models, without references and overlays."""
    return root_model(parts).model_json_schema(by_alias=True, schema_generator=_Generator)


def _lay_over(schema: dict[str, Any]) -> None:
    """Add the schemas of environments and experiments: any sections, with any of their keys."""
    properties, definitions = schema["properties"], schema["$defs"]
    laid = [name for name in properties if name not in ("environments", "experiments")]
    definitions |= partials(definitions)
    if "Experiments" in definitions:
        definitions["experiment"] = overlay(properties, definitions, laid)
        names, patterns = dotted(schema, "#/$defs/experiment")
        definitions["experiment"]["properties"] |= names
        definitions["experiment"]["patternProperties"] = patterns
        (pattern,) = definitions["Experiments"]["patternProperties"]
        definitions["Experiments"] |= {
            "patternProperties": {pattern: _laid("experiment")},
            "additionalProperties": False,
        }
        laid.append("experiments")
    definitions["environment"] = overlay(properties, definitions, laid)
    about = {key: value for key, value in properties["environments"].items() if key in _BESIDE}
    properties["environments"] = {**about, "type": "object", "additionalProperties": _laid("environment")}


def _laid(name: str) -> dict[str, object]:
    return {"anyOf": [{"$ref": f"#/$defs/{name}"}, _REFERENCE]}


def _all_optional(shape: Mapping[str, object]) -> bool:
    return shape.get("type") == "object" and "properties" in shape and not shape.get("required")


def _widened(shape: dict[str, Any], empty: set[str]) -> dict[str, Any]:
    """`shape` or a reference, at every depth; null is allowed for a section that may be empty."""
    about = {key: value for key, value in shape.items() if key in _BESIDE}
    core = {key: value for key, value in shape.items() if key not in _BESIDE}
    members = [_below(member, empty) for member in core.get("anyOf", [core])]
    if any(_free(member) for member in members):
        return {**about, **(members[0] if "anyOf" not in core else {"anyOf": members})}
    if any(member.get("$ref") in empty for member in members) and {"type": "null"} not in members:
        members.append({"type": "null"})
    text = any(member.get("type") == "string" and "enum" not in member for member in members)
    return {"anyOf": [*members, _INSIDE if text else _REFERENCE], **about}


def _below(shape: dict[str, Any], empty: set[str]) -> dict[str, Any]:
    inner = {key: shape[key] for key in ("items", "additionalProperties") if isinstance(shape.get(key), dict)}
    return {**shape, **{key: _widened(value, empty) for key, value in inner.items()}}


def _free(shape: Mapping[str, object]) -> bool:
    """Whether the shape accepts any text."""
    if "$ref" in shape:
        return False
    return shape.get("type", "string") == "string" and not any(key in shape for key in _NARROWING)
