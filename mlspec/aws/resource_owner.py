"""Who changes an account: one project, and what its command may take over. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


def _key_alone(key: str, _value: str) -> str:
    return key


@dataclass(frozen=True, slots=True)
class ResourceOwner:
    """The project that a request comes from, beside its name.

    `source` is the address of the project's folder in its repository; it distinguishes projects of one name. "" where
    none is known.
    """

    source: str = ""
    beginning: str = ""
    """The same folder by the repository's first commit: its address until it has a remote."""
    adopts: bool = False
    """Whether the request takes over resources without a tag of a project."""
    place: Callable[[str, str], str] = field(default=_key_alone, compare=False, repr=False)
    """Where the spec gives a key its value, for messages."""
