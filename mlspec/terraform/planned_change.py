"""A plan of Terraform as values, from its two machine-readable outputs.

`terraform plan -json` names the changes (https://developer.hashicorp.com/terraform/internals/machine-readable-ui), and
`terraform show -json` has the values of those that change settings
(https://developer.hashicorp.com/terraform/internals/json-format).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from mlspec.aws.action import FieldChange, Sign

_SIGNS: Final[Mapping[str, Sign]] = {"create": "+", "update": "~", "replace": "~", "delete": "-", "import": "~"}
_WORDS: Final = {"replace": "deleted and created again", "import": "taken over"}
_REPEATED: Final = ("tags_all",)
"""Settings that repeat others."""
_HIDDEN: Final = "(sensitive)"


class _Known(BaseModel):
    """What mlspec reads of an object; newer releases of Terraform may add keys."""

    model_config = ConfigDict(extra="ignore")


class _SourceRange(_Known):
    filename: str = ""


class Problem(_Known):
    """An error or a warning of Terraform."""

    severity: str
    summary: str
    detail: str = ""
    address: str = ""
    range: _SourceRange | None = None

    @property
    def text(self) -> str:
        """The problem in one paragraph, with the resource or the file that it is about."""
        place = self.address or (self.range.filename if self.range else "")
        return " ".join(part for part in (f"{place}:" if place else "", f"{self.summary}.", self.detail) if part)


class _Addressed(_Known):
    addr: str


class PlannedChange(_Known):
    """One change of one resource."""

    resource: _Addressed
    action: str


class Message(_Known):
    """One line of `terraform plan -json`."""

    type: str = ""
    change: PlannedChange | None = None
    diagnostic: Problem | None = None


class _Change(_Known):
    before: dict[str, JsonValue] | None = None
    after: dict[str, JsonValue] | None = None
    before_sensitive: bool | dict[str, JsonValue] = False
    after_sensitive: bool | dict[str, JsonValue] = False


class _Resource(_Known):
    address: str
    change: _Change


class _Plan(_Known):
    resource_changes: list[_Resource] = []


@dataclass(frozen=True, slots=True)
class ModulePlan:
    """A saved plan: its file, and each difference that applying it removes."""

    file: Path
    changes: tuple[FieldChange, ...]


def messages(output: str) -> list[Message]:
    """The messages of a command with `-json`; lines of another shape are skipped."""
    return list(_messages(output.splitlines()))


def _messages(lines: Iterable[str]) -> Iterator[Message]:
    for line in lines:
        try:
            yield Message.model_validate_json(line)
        except ValidationError:
            continue


def planned(output: Iterable[Message]) -> list[PlannedChange]:
    """The changes that a plan announced, by address: Terraform announces them in no order."""
    changes = [one.change for one in output if one.type == "planned_change" and one.change is not None]
    return sorted((c for c in changes if c.action in _SIGNS), key=lambda change: change.resource.addr)


def differences(changes: Iterable[PlannedChange], document: str) -> tuple[FieldChange, ...]:
    """Each change; of an update each setting, from the answer of `terraform show -json`, "" without an update."""
    plan = _Plan.model_validate(json.loads(document)) if document else _Plan()
    details = {resource.address: resource.change for resource in plan.resource_changes}
    return tuple(difference for change in changes for difference in _differences(change, details))


def _differences(change: PlannedChange, details: Mapping[str, _Change]) -> Iterator[FieldChange]:
    address = change.resource.addr
    settings = list(_settings(address, details[address])) if change.action == "update" and address in details else []
    # What an update computes is known only after it: it is a change without a setting to show.
    yield from settings or [FieldChange(_SIGNS[change.action], address, new=_WORDS.get(change.action))]


def _settings(address: str, change: _Change) -> Iterator[FieldChange]:
    """The settings that an update changes. Of a sensitive one no value is shown."""
    before, after = change.before or {}, change.after or {}
    for name, new in after.items():
        old = before.get(name)
        if old == new or name in _REPEATED:
            continue
        if _is_sensitive(change, name):
            yield FieldChange("~", f"{address} {name}", new=_HIDDEN)
        else:
            yield FieldChange("~", f"{address} {name}", old, new)


def _is_sensitive(change: _Change, name: str) -> bool:
    marks = (change.before_sensitive, change.after_sensitive)
    return any(_has_mark(mark.get(name)) if isinstance(mark, dict) else mark for mark in marks)


def _has_mark(marks: JsonValue) -> bool:
    """Whether any value in the structure is marked as sensitive."""
    if isinstance(marks, dict):
        return any(_has_mark(mark) for mark in marks.values())
    if isinstance(marks, list):
        return any(_has_mark(mark) for mark in marks)
    return marks is True
