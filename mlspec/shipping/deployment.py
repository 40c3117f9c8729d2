"""A function and all around it, in the order in which it is made: what would change, and the change itself."""

from __future__ import annotations

from collections.abc import Callable

from mlspec.aws import (
    alias,
    concurrency,
    function,
    function_url,
    http_api,
    image_retention,
    log_group,
    published_version,
    role,
)
from mlspec.aws.alias import Alias
from mlspec.aws.change import RemoteChange
from mlspec.aws.converge import ConvergeStep, carry_out, changes
from mlspec.aws.desired import DesiredFunction, complete
from mlspec.aws.release_events import ReleaseHistory
from mlspec.shipping.rollback import stays_back, taken_back

Say = Callable[[str], object]


def below(wanted: DesiredFunction) -> list[ConvergeStep]:
    """The function, and what it needs to run. Nothing here is seen by callers before a version is published."""
    found = function.read(wanted.target, wanted.function.name)
    return [
        *role.steps(wanted),
        *log_group.steps(wanted),
        *function.steps(wanted, found),
        *concurrency.reserved(wanted, found),
    ]


def above(wanted: DesiredFunction) -> list[ConvergeStep]:
    """What stands on the alias: the address and the copies that are always warm."""
    return [*function_url.steps(wanted), *http_api.steps(wanted), *concurrency.provisioned(wanted)]


def observed(wanted: DesiredFunction) -> list[RemoteChange]:
    """All that a deployment would change. Changes nothing. An image that is still to be pushed has no digest yet."""
    name, options = wanted.function.name, wanted.function.options
    live = alias.read(wanted.target, name, options.alias)
    steps = below(wanted)
    settled = not any(change.resource == function.resource(name) for change in changes(steps))
    number = published_version.published(wanted.target, name, live) if settled else None
    made = [*changes(steps), *_version(name, number), *_move(wanted, live, number)]
    kept = [] if number is None or live is None else _kept(wanted, [number], release=False)
    return [*made, *changes(kept), *changes(above(wanted))]


def _version(name: str, number: str | None) -> list[RemoteChange]:
    return [RemoteChange("+", f"lambda version of {name}", new="what the function is then")] if number is None else []


def _move(wanted: DesiredFunction, live: Alias | None, number: str | None) -> list[RemoteChange]:
    what, new = f"lambda alias {wanted.function.options.alias}", number or "the new version"
    if live is None:
        return [RemoteChange("+", what, new=new)]
    if live.version == number and live.other is None:
        return []
    if number not in (None, live.other):
        back = taken_back(ReleaseHistory(wanted.target, wanted.function.name).read(), new)
        if back:
            return [RemoteChange("~", what, held=stays_back(back, new))]
    old = live.version if live.other is None else {live.version: 1 - live.weight, live.other: live.weight}
    return [RemoteChange("~", what, "version", old, new)]


def converge(wanted: DesiredFunction, release: str, say: Say) -> tuple[str, Alias | None]:
    """Make the function as wanted and publish it. Gives the version that holds it and the alias as it stands."""
    complete(wanted)
    name = wanted.function.name
    carry_out(below(wanted), say)
    live = alias.read(wanted.target, name, wanted.function.options.alias)
    number = published_version.published(wanted.target, name, live)
    if number is None:
        number = published_version.publish(wanted.target, name, release)
        say(f"+ lambda version {number} of {name}")
    if live is not None:
        carry_out(above(wanted), say)
    return number, live


def keep(wanted: DesiredFunction, *numbers: str | None, say: Say, release: bool) -> None:
    """Protect the images of these versions from the repository's lifecycle; with `release`, of these alone."""
    carry_out(_kept(wanted, [number for number in numbers if number is not None], release=release), say)


def _kept(wanted: DesiredFunction, numbers: list[str], *, release: bool) -> list[ConvergeStep]:
    """A zip is Lambda's own to keep."""
    if not wanted.image:
        return []
    kept = {number: digest(wanted, number) for number in numbers}
    return image_retention.steps(
        wanted.target, wanted.function.ecr.repository, wanted.function.name, kept, release=release
    )


def url(wanted: DesiredFunction) -> str | None:
    """Where callers reach it; None where it has no address."""
    name, options = wanted.function.name, wanted.function.options
    if found := function_url.read(wanted.target, name, options.alias):
        return str(found["FunctionUrl"])
    gateway = http_api.read(wanted.target, name, wanted.project)
    return str(gateway["ApiEndpoint"]) if gateway else None


def digest(wanted: DesiredFunction, number: str) -> str:
    """Digest of the image that a version runs."""
    found = function.read(wanted.target, wanted.function.name, number)
    return function.digest(found) if found else ""
