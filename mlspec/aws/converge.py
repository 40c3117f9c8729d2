"""What is wanted against what is there, as steps: each a few Changes and the call that makes them true."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.change import RemoteChange, told
from mlspec.errors import StageError

PROJECT: Final = "mlspec:project"
"""The tag that says whose a resource is."""
SOURCE: Final = "mlspec:source"
"""The tag with the address of the project's folder in its repository: it tells projects of one name apart."""


@dataclass(frozen=True)
class ConvergeStep:
    """Changes that one act brings about. The steps of a plan are carried out in their order."""

    changes: tuple[RemoteChange, ...]
    act: Callable[[], object]


def carry_out(steps: Iterable[ConvergeStep], say: Callable[[str], object]) -> int:
    """Do every step, and say it; gives their number."""
    count = 0
    for step in steps:
        for change in step.changes:
            say(told(change))
        step.act()
        count += 1
    return count


def changes(steps: Iterable[ConvergeStep]) -> list[RemoteChange]:
    """What the steps would change."""
    return [change for step in steps for change in step.changes]


def differences(resource: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[RemoteChange, ...]:
    """A Change for each wanted setting that is otherwise there; a setting that is not wanted is not looked at."""
    return tuple(
        RemoteChange("~", resource, key, found.get(key), value)
        for key, value in wanted.items()
        if not same(found.get(key), value)
    )


def same(one: Any, other: Any) -> bool:
    """Whether two settings mean the same: AWS leaves empty ones out of some of its answers."""
    return bool(_plain({"": one}) == _plain({"": other}))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: p for k, v in value.items() if (p := _plain(v)) not in (None, "", [], {})}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


def ours(resource: str, found: Mapping[str, str], project: str, hand_over: str, target: AwsTarget) -> None:
    """Refuse to change what mlspec has not made for this project. `hand_over` is the command that gives it over.

    A resource without an address, of an earlier mlspec, counts as the project's.
    """
    owner = found.get(PROJECT)
    if owner == project and (other := elsewhere(found, target)):
        message = (
            f"there is a {resource} already, of the project {project} in {other}, and this one is in {target.source}"
        )
        moved = hand_over.format(SOURCE, target.source)
        raise StageError(
            message, help=f"choose another name; or, if that project has moved here, hand it over: {moved}"
        )
    if owner != project:
        why = f"it belongs to the project {owner}" if owner else "mlspec did not make it"
        message = f"there is a {resource} already, and {why}"
        raise StageError(message, help=f"choose another name, or hand it over: {hand_over.format(PROJECT, project)}")


def elsewhere(found: Mapping[str, str], target: AwsTarget) -> str:
    """The address that a resource was made from, where it is not the project's; "" where either is not known."""
    there = found.get(SOURCE, "")
    return there if target.source and there not in (target.source, target.beginning) else ""


def nameless(target: AwsTarget, project: str) -> str:
    """A warning where nothing but its name tells the project from others; "" where something does."""
    if target.kind == "local" or target.source:
        return ""
    return (
        f"this folder has no git history, so that only its name tells the project {project} from others: "
        "another project of that name would change the same resources of the account. Commit it: git init && git add "
        "--all && git commit"
    )


def sourced(tags: Mapping[str, str], source: str) -> dict[str, str]:
    """The tags of a resource that is made for the project at that address."""
    return {**tags, SOURCE: source} if source else dict(tags)


def pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as the services write them that do not take a mapping."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def unpaired(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The mapping that such a list stands for."""
    return {tag["Key"]: tag["Value"] for tag in tags}
