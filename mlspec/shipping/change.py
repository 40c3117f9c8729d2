"""One difference between what the spec wants and what is there, as data. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Sign = Literal["+", "~", "-"]


@dataclass(frozen=True, slots=True)
class Change:
    """`+` makes a resource, `~` alters a setting of it, `-` removes it.

    `resource` is what a person calls it (`lambda function cola`), `setting` the API's own name where one setting
    differs. `old` and `new` are shown as they are: a secret's value never gets here, but its name. `breaking` says why
    callers may notice, "" where they do not.
    """

    sign: Sign
    resource: str
    setting: str = ""
    old: object = None
    new: object = None
    breaking: str = ""
