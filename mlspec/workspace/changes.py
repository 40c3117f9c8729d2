"""What a build would do to each file, as data, and how it reads as a diff. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from mlspec.errors import ConflictError
from mlspec.workspace.lock import Lock, dump
from mlspec.workspace.roots import Key

Action: TypeAlias = Literal["create", "update", "unchanged", "delete", "conflict", "keep"]
SIGNS: dict[Action, str] = {"create": "+", "update": "~", "delete": "-", "conflict": "!", "keep": "=", "unchanged": " "}


class FileChange(NamedTuple):
    """One file: what is there, what would be, and why.

    `path` is relative to the project, POSIX; a file at the repository's root above it begins with `../`. `before` and
    `after` are whole texts, None where there is no file; bytes that are not UTF-8 are kept as lone surrogates. Of a
    block in a user's file, `after` includes the user's lines, and "delete" may leave them. In a conflict `after` is
    what mlspec would have written.
    """

    path: str
    action: Action
    part: str
    before: str | None
    after: str | None
    reason: str
    key: Key
    executable: bool = False
    forced: bool = True
    """Whether --overwrite can settle this conflict: not where a folder or a link stands in the way."""


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """Every generated file's Change, by path, with the lock as it was and as it will be."""

    changes: tuple[FileChange, ...]
    lock_before: Lock
    lock: Lock

    @property
    def conflicts(self) -> tuple[FileChange, ...]:
        """Files that only the user can decide about. While there is one, nothing is written."""
        return tuple(c for c in self.changes if c.action == "conflict")

    @property
    def pending(self) -> tuple[FileChange, ...]:
        """What `write` will do: create, update, delete."""
        return tuple(c for c in self.changes if c.action in ("create", "update", "delete"))

    @property
    def changed(self) -> bool:
        """Whether `write` will write anything, be it only the lock."""
        return bool(self.pending) or self.lock_changed

    @property
    def lock_changed(self) -> bool:
        """Whether the lock file's text will be another."""
        return dump(self.lock) != dump(self.lock_before)

    def count(self, action: Action) -> int:
        """How many files have that action."""
        return sum(c.action == action for c in self.changes)

    def summary(self) -> str:
        """Like `+3 ~1 -0`; with conflicts `!2` behind."""
        text = f"+{self.count('create')} ~{self.count('update')} -{self.count('delete')}"
        return f"{text} !{self.count('conflict')}" if self.conflicts else text

    def conflict(self) -> ConflictError | None:
        """The error to raise where files conflict, with the ways out; None where none does."""
        if not self.conflicts:
            return None
        lines = [f"{change.path}: {change.reason}" for change in self.conflicts]
        first = self.conflicts[0].path
        ways = [f"--keep {first}    leaves it as it is, now and in later builds"]
        if forced := next((c.path for c in self.conflicts if c.forced), None):
            ways.append(f"--overwrite {forced}    replaces it by what mlspec generates")
        message = "nothing was written, so that no edit is lost:\n" + "\n".join(f"  {line}" for line in lines)
        paths = [change.path for change in self.conflicts]
        return ConflictError(
            message, paths=paths, help="for each of them, run `mlspec build` with one of\n" + "\n".join(ways)
        )


def diff(change: FileChange) -> str:
    """The unified diff of a change, empty where the text stays; what cannot be shown as text is replaced by `?`."""
    import difflib

    before, after = _lines(change.before), _lines(change.after)
    old = "/dev/null" if change.before is None else f"a/{change.path}"
    new = "/dev/null" if change.after is None else f"b/{change.path}"
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for line in difflib.unified_diff(before, after, old, new)
    )


def _lines(text: str | None) -> list[str]:
    shown = (text or "").encode("utf-8", "replace").decode("utf-8").replace("\r\n", "\n")
    lines = [f"{line}\n" for line in shown.split("\n")]
    lines[-1] = lines[-1].removesuffix("\n")
    return lines if lines[-1] else lines[:-1]
