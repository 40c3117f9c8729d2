"""Values as expressions of HCL, Terraform's language, laid out as `terraform fmt` lays them out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

ACCOUNT: Final = "${local.account_id}"
"""Stands in a document for the account that Terraform works in."""


class Expression(str):
    """Text that is an expression of HCL already, such as a reference."""

    __slots__ = ()


_REFERENCE: Final = re.compile(r"\$(\$\{(?:local|var)\.[a-z_]+\})")
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def hcl(value: object, indent: int = 0) -> str:
    """`value` as an expression; a mapping has a line for each key, `indent` levels deep.

    In a text `${` and `%{` stay as they are written (https://developer.hashicorp.com/terraform/language/expressions/strings).
    """
    if isinstance(value, Expression):
        return str(value)
    if isinstance(value, Mapping):
        return _object(value, indent)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _list(value, indent)
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    text = str(value).replace("${", "$${").replace("%{", "%%{")
    return '"' + "".join(_character(character) for character in text) + '"'


def hcl_document(value: object, indent: int = 0) -> str:
    """A document, such as a policy, in whose texts `${local.NAME}` and `${var.NAME}` are references.

    No free text of a user belongs in one.
    """
    return _REFERENCE.sub(r"\1", hcl(value, indent))


_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
"""All of HCL's, which are fewer than those of JSON."""


def _character(character: str) -> str:
    if character.isprintable() or character in _ESCAPES:
        return _ESCAPES.get(character, character)
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"


def _list(values: Sequence[object], indent: int) -> str:
    items = [hcl(value, indent + 1) for value in values]
    if len(items) < 2 or (all("\n" not in item for item in items) and sum(map(len, items)) <= 60):
        if len(items) == 1 and isinstance(values[0], Mapping):
            return _lines("[", [f"{items[0]},"], "]", indent)
        return f"[{', '.join(items)}]"
    return _lines("[", [f"{item}," for item in items], "]", indent)


def _object(values: Mapping[str, object], indent: int) -> str:
    if not values:
        return "{}"
    rows = [(_key(str(key)), hcl(value, indent + 1)) for key, value in values.items()]
    return _lines("{", _aligned(rows), "}", indent)


def _aligned(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Neighbours of one line have their `=` in one column; a value of several lines stands by itself."""
    lines: list[str] = []
    for at, (key, value) in enumerate(rows):
        width = len(key)
        if "\n" not in value:
            width = max(len(rows[other][0]) for other in _neighbours(rows, at))
        lines.append(f"{key:<{width}} = {value}")
    return lines


def _neighbours(rows: Sequence[tuple[str, str]], at: int) -> range:
    first, last = at, at
    while first > 0 and "\n" not in rows[first - 1][1]:
        first -= 1
    while last + 1 < len(rows) and "\n" not in rows[last + 1][1]:
        last += 1
    return range(first, last + 1)


def _key(text: str) -> str:
    return text if _IDENTIFIER.fullmatch(text) else hcl(text)


def _lines(start: str, lines: Sequence[str], end: str, indent: int) -> str:
    pad = "  " * (indent + 1)
    return "\n".join([start, *(f"{pad}{line}" for line in lines), f"{'  ' * indent}{end}"])
