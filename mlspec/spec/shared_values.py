"""A name in the spec that two of its environments would share. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from mlspec.source.document import Plain
from mlspec.spec.project import Project

Keys: TypeAlias = tuple[str, ...]
Values: TypeAlias = Mapping[str, Plain]
_NONE = "the spec without an environment"


class Shared(NamedTuple):
    """A name that two have, what they are called in a message, and the environment that can be given another one."""

    name: str
    one: str
    other: str
    environment: str
    theirs: tuple[Values, Values]
    """The spec with the one, and with the other."""


def shared(project: Project, path: Keys, place: Callable[[Values], object]) -> Iterator[Shared]:
    """The names at `path` that several environments have, once each; the same whichever environment is chosen.

    Two in another `place` (a region, an account) do not share a name. The default name that the
    spec has without an environment is nobody's: an existing deployment becomes an environment's by taking its name.
    """
    seen: dict[tuple[str, str], tuple[str, Values]] = {}
    for environment, values in project.variants.items():
        name, shown = at(values, path), f"the environment `{environment}`" if environment else _NONE
        if not name:
            continue
        other, theirs = seen.setdefault((str(name), repr(place(values))), (shown, values))
        if other != shown:
            yield Shared(str(name), shown, other, environment, (values, theirs))


def at(value: object, path: Keys) -> object:
    """What stands below `value`; None where nothing does."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
