"""YAML as DVC reads it, and values in it at dotted keys. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

ABSENT: Final = object()
"""The value at a key that does not exist."""


@lru_cache(maxsize=64)
def parse_yaml(text: str) -> object:
    """The value of a YAML text, shared by all calls with this text; None where it cannot be parsed."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        value: object = YAML(typ="safe", pure=False).load(text)
    except (YAMLError, ValueError):
        return None
    return value


def mapping(value: object) -> Mapping[str, object]:
    """The value where it is a mapping, with its keys as strings; else an empty one."""
    return {str(key): inner for key, inner in value.items()} if isinstance(value, dict) else {}


def value_at(values: object, key: str) -> object:
    """The value at a dotted key, ABSENT where it does not exist."""
    for step in key.split("."):
        if not isinstance(values, Mapping) or step not in values:
            return ABSENT
        values = values[step]
    return values
