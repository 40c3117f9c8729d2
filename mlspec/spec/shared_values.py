"""A resource name that two environments of the spec share. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from mlspec.source.document import Plain
from mlspec.spec.project import Project

Keys: TypeAlias = tuple[str, ...]
Values: TypeAlias = Mapping[str, Plain]
_NONE = "the spec without an environment"


class Shared(NamedTuple):
    """A shared name, the two environments as text, and the environment whose name can be changed."""

    name: str
    one: str
    other: str
    environment: str
    theirs: tuple[Values, Values]
    """The values of both environments."""


def shared(project: Project, path: Keys, place: Callable[[Values], object]) -> Iterator[Shared]:
    """The names at `path` that several environments have, independent of the selected environment.

    Names in different places (a region, an account) are not shared. Without an environment the spec's default name
    does not count, so that an environment can take over an existing deployment by using its name.
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
    """The value at `path`, or None."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
