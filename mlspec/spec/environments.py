"""A name in the spec that two of its environments would share. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from mlspec.spec.project import Project

Keys: TypeAlias = tuple[str, ...]
_NONE = "the spec without an environment"


class Shared(NamedTuple):
    """A name that two have, what they are called in a message, and the environment that can be given another one."""

    name: str
    one: str
    other: str
    environment: str


def shared(
    project: Project, path: Keys, default: Callable[[str], str], elsewhere: Sequence[Keys] = ()
) -> Iterator[Shared]:
    """The names at `path` that several have; `default` gives an environment's where none is given.

    The same on every build, whatever environment is chosen. An environment with a value of its own at one of
    `elsewhere` (a region, an account) is apart from the others.
    """
    known, base = project.given.get("environments"), at(project.base, path)
    if not isinstance(known, Mapping):
        return
    seen = {str(base): _NONE} if base else {}
    for environment, patch in known.items():
        if any(at(patch, place) for place in elsewhere):
            continue
        name, shown = str(at(patch, path) or base or default(environment)), f"the environment `{environment}`"
        if (other := seen.setdefault(name, shown)) != shown:
            yield Shared(name, shown, other, environment)


def at(value: object, path: Keys) -> object:
    """What stands below `value`; None where nothing does."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
