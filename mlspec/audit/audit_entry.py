"""One fact of an audit: what the project reaches, and whether it is a fault."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pydantic import JsonValue

Kind = Literal["secret", "permission", "host", "action", "image", "package", "pickle"]
Level = Literal["note", "warning", "error"]
TITLES: Final[dict[Kind, str]] = {
    "secret": "Secrets, by name",
    "permission": "Permissions",
    "host": "Hosts",
    "action": "Actions",
    "image": "Base images",
    "package": "Packages",
    "pickle": "Pickles",
}
"""Kinds in the order in which they are shown."""
RULES: Final[dict[str, str]] = {
    "wildcard-permission": "A statement allows all actions or applies to all resources",
    "broad-workflow-permission": "A workflow has more than the permissions that it names",
    "action-by-tag": "An action is named by a tag, which can be moved to another commit",
    "image-without-digest": "A base image has no digest, so a pull may give another one",
    "package-without-hash": "A package is installed without comparing its hash",
    "known-bad-release": "A release that attackers published is pinned or installed",
    "trusted-pickle": "A pickle is loaded, which can run any code",
    "dangerous-pickle": "A pickle names functions that run programs",
}
"""Identifiers of faults, each with what it means."""


@dataclass(frozen=True, slots=True, order=True)
class AuditEntry:
    """What is reached, where it is written, and why it is a fault: `rule` is empty for a plain fact."""

    kind: Kind
    name: str
    file: str
    line: int = 1
    detail: str = ""
    rule: str = ""
    level: Level = "note"

    def to_json(self) -> dict[str, JsonValue]:
        """The stable shape that `mlspec audit --json` prints."""
        fault = {"rule": self.rule, "level": self.level} if self.rule else {}
        return {
            "kind": self.kind,
            "name": self.name,
            "file": self.file,
            "line": self.line,
            "detail": self.detail,
            **fault,
        }
