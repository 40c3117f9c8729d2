"""Texts of a plan that depend on what its execution returns, such as the number of a published version. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal, get_args

from pydantic import JsonValue

Output = Literal["version", "digest", "description", "api", "revision", "time"]
"""`version` is the number of the version that is rolled out, `digest` that of its image and `description` what it is
called; `api` is the id of the HTTP API, `revision` that of the alias, `time` the moment in seconds since 1970."""
Outputs = Mapping[Output, str]
SHOWN: Final = "(known after apply)"
_NAME: Final = re.compile(f"{{({'|'.join(get_args(Output))})}}")


class KnownAfterApply(str):
    """A text with outputs of earlier actions in it, which only `resolved` replaces.

    `KnownAfterApply("keep-{version}")` reads `keep-(known after apply)`.
    """

    template: str

    def __new__(cls, template: str) -> KnownAfterApply:
        """The text as a plan shows it."""
        text = super().__new__(cls, _NAME.sub(SHOWN, template))
        text.template = template
        return text

    def __getnewargs__(self) -> tuple[str]:
        """What a copy is created from."""
        return (self.template,)


def join(*parts: str) -> str:
    """The parts as one text, which is KnownAfterApply where one of them is."""
    if not any(isinstance(part, KnownAfterApply) for part in parts):
        return "".join(parts)
    return KnownAfterApply("".join(part.template if isinstance(part, KnownAfterApply) else part for part in parts))


def resolved_text(text: str, outputs: Outputs) -> str:
    """The text with the outputs in it; unchanged where one of them is not known yet."""
    if not isinstance(text, KnownAfterApply):
        return text
    values = {str(name): value for name, value in outputs.items()}
    if any(name not in values for name in _NAME.findall(text.template)):
        return text
    return _NAME.sub(lambda match: values[match[1]], text.template)


def resolved(value: JsonValue, outputs: Outputs) -> JsonValue:
    """The value with the outputs in all of its texts and keys."""
    if isinstance(value, str):
        return resolved_text(value, outputs)
    if isinstance(value, dict):
        return {resolved_text(key, outputs): resolved(inner, outputs) for key, inner in value.items()}
    return [resolved(inner, outputs) for inner in value] if isinstance(value, list) else value


def is_known(value: JsonValue) -> bool:
    """Whether nothing in the value is KnownAfterApply."""
    if isinstance(value, dict):
        return all(is_known(key) and is_known(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(is_known(inner) for inner in value)
    return not isinstance(value, KnownAfterApply)
