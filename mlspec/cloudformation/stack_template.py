"""A CloudFormation template as values, read from its YAML text with the short forms of intrinsic functions. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import yaml
from pydantic import JsonValue

_PREFIXED: Final = "Fn::"
_BARE: Final = ("Ref", "Condition")
"""Intrinsic functions whose long form has no prefix."""


@dataclass(frozen=True, slots=True)
class TemplateResource:
    """One resource of a template. `attributes` are all but its type, its properties and its metadata, to which
    SAM adds its own."""

    type: str
    properties: Mapping[str, JsonValue] = field(default_factory=dict)
    attributes: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StackTemplate:
    """The resources of a template by their logical ids."""

    resources: Mapping[str, TemplateResource]

    @classmethod
    def parse(cls, template: str | Mapping[str, JsonValue]) -> StackTemplate:
        """The template in that text, or in the object that an answer of AWS has for one in JSON."""
        document = long_form(template) if isinstance(template, str) else template
        resources = document.get("Resources")
        if not isinstance(resources, Mapping):
            return cls({})
        return cls({str(id): _resource(body) for id, body in resources.items() if isinstance(body, Mapping)})


def long_form(template: str) -> dict[str, JsonValue]:
    """The document in a template's text, its intrinsic functions in their long form; empty where it has none."""
    document = yaml.load(template, _TemplateLoader)  # noqa: S506 - a SafeLoader
    return document if isinstance(document, dict) else {}


def _resource(body: Mapping[str, JsonValue]) -> TemplateResource:
    properties = body.get("Properties")
    attributes = {name: value for name, value in body.items() if name not in ("Type", "Properties", "Metadata")}
    return TemplateResource(str(body.get("Type", "")), properties if isinstance(properties, dict) else {}, attributes)


class _TemplateLoader(yaml.SafeLoader):
    """Reads `!Ref X` as `{"Ref": "X"}`, and dates as texts."""


def _intrinsic(loader: _TemplateLoader, name: str, node: yaml.Node) -> JsonValue:
    value: JsonValue
    if isinstance(node, yaml.MappingNode):
        value = {str(key): inner for key, inner in loader.construct_mapping(node, deep=True).items()}
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = str(loader.construct_scalar(node))  # type: ignore[arg-type]  # the third kind of node
        if name == "GetAtt":  # an id has no dot; an attribute may, as in `Function.Version.Version`
            value = list(value.partition(".")[::2])
    return {name if name in _BARE else f"{_PREFIXED}{name}": value}


_TemplateLoader.add_multi_constructor("!", _intrinsic)
_TemplateLoader.add_constructor("tag:yaml.org,2002:timestamp", _TemplateLoader.construct_yaml_str)  # type: ignore[type-var]  # of its own class
