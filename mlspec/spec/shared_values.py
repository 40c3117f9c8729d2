"""A resource name that two environments of the spec share. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from mlspec.diagnostics import Finding
from mlspec.source.document import Plain
from mlspec.spec.project import Project
from mlspec.spec.spec_model import dotted

Keys: TypeAlias = tuple[str, ...]
Values: TypeAlias = Mapping[str, Plain]
Settings: TypeAlias = Mapping[str, object]
_NONE = "the spec without an environment"


class SharedResource(NamedTuple):
    """A kind of resource that environments may share: the code of its finding, what a person calls it, its section, and
    the key with which one of them gets a resource of its own."""

    code: str
    what: str
    section: Keys
    rename: str


class Shared(NamedTuple):
    """A shared name, the two environments as text, and the environment whose name can be changed."""

    name: str
    one: str
    other: str
    environment: str
    theirs: tuple[Values, Values]
    """The values of both environments."""
    first: str = ""
    """The name of the other environment, "" without one."""


def shared(project: Project, path: Keys, place: Callable[[Values], object]) -> Iterator[Shared]:
    """The names at `path` that several environments have, independent of the selected environment.

    Names in different places (a region, an account) are not shared. Without an environment the spec's default name
    does not count, so that an environment can take over an existing deployment by using its name.
    """
    yield from shared_names(project, lambda values: at(values, path), place)


def shared_names(
    project: Project, name_of: Callable[[Values], object], place: Callable[[Values], object]
) -> Iterator[Shared]:
    """The same for a name that follows from several keys."""
    seen: dict[tuple[str, str], tuple[str, Values]] = {}
    for environment, values in project.variants.items():
        name = name_of(values)
        if not name:
            continue
        first, theirs = seen.setdefault((str(name), repr(place(values))), (environment, values))
        if first != environment:
            yield Shared(str(name), _shown(environment), _shown(first), environment, (values, theirs), first)


def differing(
    project: Project, same: Shared, resource: SharedResource, one: Settings, other: Settings
) -> Iterator[Finding]:
    """Settings that two environments give one resource: each is reported at both places."""
    code, what, section, rename = resource
    for key in sorted(name for name, value in one.items() if other.get(name, value) != value):
        at_key = dotted((*section, key))
        help = f"give both the same {at_key}, or set environments.{same.environment}.{rename} to another name"
        sides = ((same.environment, same.one, one), (same.first, same.other, other))
        for (environment, here, mine), (_, there, theirs) in (sides, sides[::-1]):
            message = (
                f"`{key}` of the shared {what} `{same.name}` is {_text(mine[key])} in {here}, and {_text(theirs[key])} "
                f"in {there}: each apply would set it back"
            )
            yield Finding(code, _origin(project, environment, (*section, key)), message, help, on="key")


def _origin(project: Project, environment: str, path: Keys) -> Keys:
    """Where an environment has a value from: its own overlay, or the spec."""
    own = at(project.variants.get(environment), path) != at(project.variants.get(""), path)
    return ("environments", environment, *path) if environment and own else path


def _text(value: object) -> str:
    return "not set" if value is None else str(value)


def _shown(environment: str) -> str:
    return f"the environment `{environment}`" if environment else _NONE


def at(value: object, path: Keys) -> object:
    """The value at `path`, or None."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
