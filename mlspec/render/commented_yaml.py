"""A mapping as YAML in block style with comments on its keys: after the value where there is space, else above."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping

from mlspec.render.quoting import comment, flow, yaml

WIDTH = 100
"""Columns of a line with a comment, and of a list on one line."""
Path = tuple[str, ...]
_PLAIN = re.compile(r"(?!(?i:true|false|yes|no|on|off|null|y|n|inf|nan)$)[A-Za-z_][A-Za-z0-9_./-]*")
"""Text that is the same without quotes in YAML 1.1 and 1.2, as a key and as a value."""


def commented(value: Mapping[str, object], comments: Mapping[Path, str]) -> str:
    """`value` as YAML, with the `comments` on the keys at their paths. No newline at the end."""
    return "\n".join(_lines(value, comments, ())) if value else yaml(value)


def _lines(values: Mapping[str, object], comments: Mapping[Path, str], at: Path) -> Iterator[str]:
    indent = "  " * len(at)
    for key, value in values.items():
        about = comment(comments.get((*at, key), ""))
        if isinstance(value, Mapping) and value and _PLAIN.fullmatch(key):
            yield from _above(about, indent)
            yield f"{indent}{key}:"
            yield from _lines(value, comments, (*at, key))
            continue
        entry = textwrap.indent(_entry(key, value), indent) if at else _entry(key, value)
        if about and "\n" not in entry and len(line := f"{entry}  # {about}") <= WIDTH:
            yield line
        else:
            yield from _above(about, indent)
            yield entry


def _above(about: str, indent: str) -> Iterator[str]:
    """A comment on lines of its own."""
    width = WIDTH - len(indent) - 2
    lines = textwrap.wrap(about, width, break_long_words=False) if len(about) > width else filter(None, [about])
    yield from (f"{indent}# {line}" for line in lines)


def _entry(key: str, value: object) -> str:
    """`key: value`; a list of scalars on the same line where it fits."""
    if _PLAIN.fullmatch(key):
        if isinstance(value, bool | int):
            return f"{key}: {str(value).lower()}"
        if isinstance(value, str) and _PLAIN.fullmatch(value):
            return f"{key}: {value}"
        if isinstance(value, list) and not any(isinstance(item, list | Mapping) for item in value):
            line = f"{key}: {flow(value)}"
            if len(line) <= WIDTH:
                return line
    return yaml({key: value})
