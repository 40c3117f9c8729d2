"""The JSON Schema (2020-12) of the language, from the same models that check it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from mlspec.spec.root import HasSections, root_model

_REFERENCE = {"type": "string", "pattern": r"^\$\{[^{}]+\}$", "description": "A reference to another value"}


class _Generator(GenerateJsonSchema):
    """Titles derived from Python names say nothing that the key does not say."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False


def json_schema(parts: Sequence[HasSections]) -> dict[str, Any]:
    """The schema of a whole spec. Any scalar may also be a reference; a section may stand empty."""
    schema = root_model(parts).model_json_schema(by_alias=True, schema_generator=_Generator)
    properties = schema["properties"]
    sections = [name for name in properties if name != "environments"]
    properties["environments"]["additionalProperties"] = {"type": "object", "propertyNames": {"enum": sections}}
    # Editors put the cursor's hover text on what `$ref` points to; `additionalProperties: false` catches every typo.
    for definition in [schema, *schema.get("$defs", {}).values()]:
        for name, shape in definition.get("properties", {}).items():
            definition["properties"][name] = _widened(shape)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mlproject.yaml",
        **{key: value for key, value in schema.items() if key != "title"},
    }


def _widened(shape: dict[str, Any]) -> dict[str, Any]:
    """`shape`, or a reference where it is a scalar that a string would not fit."""
    if "anyOf" in shape:
        scalar = any(member.get("type") in _SCALARS for member in shape["anyOf"])
        return {**shape, "anyOf": [*shape["anyOf"], _REFERENCE]} if scalar else shape
    constant = "const" in shape or "enum" in shape or shape.get("type") in _SCALARS
    if not constant:
        return shape
    beside = ("default", "description", "examples", "deprecated")
    inside = {key: value for key, value in shape.items() if key not in beside}
    return {"anyOf": [inside, _REFERENCE], **{str(key): value for key, value in shape.items() if key in beside}}


_SCALARS = ("integer", "number", "boolean")
