"""Values of a CloudFormation template as YAML in block style, with its short forms `!Ref`, `!GetAtt` and `!Sub`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from mlspec.render.quoting import flow

_PLAIN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@$*+%{}-]*(?<!:)")
"""Text that needs no quotes behind a tag."""
_BLOCK: Final = re.compile(r"[!-~\U00010000-\U0010ffff][ -~]*(\n[ -~]*[!-~])+")
"""Text of several lines that a literal block keeps as it is."""
_ID: Final = re.compile(r"[A-Za-z0-9.]+")
"""A logical id, also of what SAM creates. In place of one may be a variable of the Serverless Framework."""
_WIDTH: Final = 100


def cloudformation_yaml(values: Mapping[str, object], indent: int = 0) -> str:
    """`values` as YAML, `indent` levels deep. No newline at the end."""
    return "\n".join(_mapping(values, indent))


def _mapping(values: Mapping[str, object], indent: int) -> Iterator[str]:
    for key, value in values.items():
        yield from _entry(f"{'  ' * indent}{flow(str(key))}:", value, indent)


def _entry(start: str, value: object, indent: int) -> Iterator[str]:
    """A value behind its key: on the same line, or on lines below."""
    line = _one_line(value)
    if isinstance(value, str) and _BLOCK.fullmatch(value):
        yield f"{start} |-"
        yield from (f"{'  ' * (indent + 1)}{line}" for line in value.split("\n"))
    elif line is not None:
        yield f"{start} {line}"
    else:
        yield start
        yield from _block(value, indent + 1)


def _block(value: object, indent: int) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from _mapping(value, indent)
    elif isinstance(value, Sequence):
        yield from (line for item in value for line in _item(item, indent))


def _item(value: object, indent: int) -> Iterator[str]:
    pad = "  " * indent
    line = _one_line(value)
    if line is not None:
        yield f"{pad}- {line}"
        return
    first, *others = _block(value, indent + 1)
    yield f"{pad}- {first.lstrip()}"
    yield from others


def _one_line(value: object) -> str | None:
    """The value on one line; None where it takes more."""
    if isinstance(value, Mapping):
        return _intrinsic(value) if value else "{}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _flow(value)
    return flow(value)


def _flow(values: Sequence[object]) -> str | None:
    items = [flow(value) if isinstance(value, str | int) else None for value in values]
    texts = [item for item in items if item is not None]
    line = f"[{', '.join(texts)}]"
    usable = len(texts) == len(values) and len(line) <= _WIDTH and not any(c in "".join(texts) for c in "\n,[]{}#?")
    return line if usable else None


def _intrinsic(value: Mapping[str, object]) -> str | None:
    """A reference in its short form; None for another mapping."""
    match dict(value):
        case {"Ref": str(name), **rest} if not rest:
            return f"!Ref {_tagged(name)}"
        case {"Fn::GetAtt": [str(name), str(attribute)], **rest} if not rest and _ID.fullmatch(name):
            return f"!GetAtt {_tagged(f'{name}.{attribute}')}"
        case {"Fn::Sub": str(text), **rest} if not rest:
            return f"!Sub {_tagged(text)}"
        case _:
            return None


def _tagged(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else "'" + text.replace("'", "''") + "'"
