"""One difference between what the spec wants and what is there, as data. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Sign = Literal["+", "~", "-"]


@dataclass(frozen=True, slots=True)
class RemoteChange:
    """`+` makes a resource, `~` alters a setting of it, `-` removes it.

    `resource` is what a person calls it (`lambda function cola`), `setting` the API's own name where one setting
    differs. `old` and `new` are shown as they are: a secret's value never gets here, but its name. `breaking` says why
    callers may notice, "" where they do not; `held` why the change is not made although the spec wants it.
    """

    sign: Sign
    resource: str
    setting: str = ""
    old: object = None
    new: object = None
    breaking: str = ""
    held: str = ""


def told(change: RemoteChange) -> str:
    """`~ lambda function cola MemorySize: 512 -> 1024`."""
    name = f"{change.sign} {change.resource}" + (f" {change.setting}" if change.setting else "")
    if change.breaking:
        return f"{name}: breaking, {change.breaking}"
    if change.held:
        return f"! {name[2:]}: {change.held}"
    if change.old is None and change.new is None:
        return name
    if change.sign == "-":
        return f"{name}: {shown(change.old)}"
    old = f"{shown(change.old)} -> " if change.old is not None else ""
    return f"{name}: {old}{shown(change.new)}"


def shown(value: object) -> str:
    """A setting's value on one line."""
    if value is None:
        return "none"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {shown(v)}" for k, v in value.items()) + "}"
    if isinstance(value, str):
        return value if len(value) <= 100 else f"{value[:60]} ... {value[-30:]}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(shown(v) for v in value) + "]"
    return str(value)
