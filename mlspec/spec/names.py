"""Names and values in a sentence: the known name that a word was most likely meant to be, a value on one line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_MOST = 20
_WIDE = 300
"""Characters of names in a help line: more are not read."""


def closest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that `word` was most likely meant to be, or None."""
    import difflib

    options = list(choices)
    found = difflib.get_close_matches(word.lower(), [c.lower() for c in options], n=1, cutoff=0.6)
    return next((c for c in options if c.lower() == found[0]), None) if found else None


def suggest(word: str, choices: Iterable[str], what: str = "known") -> str:
    """A help line: the close choice when there is one, else all of them when they are few."""
    options = list(choices)
    near = closest(word, options)
    if near is not None:
        return f"did you mean `{near}`?"
    if not options:
        return ""
    shown = [f"`{option}`" for option in sorted(options)[:_MOST]]
    while len(shown) > 1 and len(", ".join(shown)) > _WIDE:
        shown.pop()
    return f"{what}: " + ", ".join(shown) + (", ..." if len(options) > len(shown) else "")


def flow(value: object) -> str:
    """A plain value as YAML may have it on one line."""
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if value != "" else '""'


def suffixed(name: str, environment: str) -> str:
    """`name` for an environment, in characters that all names of resources may have."""
    return f"{name}-{re.sub(r'[^a-z0-9_-]', '-', environment.lower())}"
