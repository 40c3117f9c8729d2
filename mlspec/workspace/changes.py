"""What a build would do to each file, as data and as a diff. Pure."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from mlspec.errors import ConflictError
from mlspec.workspace.lock import Lock, dump
from mlspec.workspace.roots import Key

Action: TypeAlias = Literal["create", "update", "unchanged", "delete", "conflict", "keep"]
SIGNS: dict[Action, str] = {"create": "+", "update": "~", "delete": "-", "conflict": "!", "keep": "=", "unchanged": " "}


class FileChange(NamedTuple):
    """One file: its text before and after, and the reason for the change.

    `path` is relative to the project, POSIX; it begins with `../` for a file at the repository root above. `before` and
    `after` are whole texts, None without a file; bytes that are not UTF-8 are lone surrogates. For a block in a file of
    the user, `after` includes the user's lines, and "delete" may leave them. In a conflict `after` is the text that
    mlspec would have written.
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
    """Whether --overwrite can resolve this conflict; not if a folder or a link exists at the path."""


class ChangeSet(NamedTuple):
    """The change of every generated file, by path, with the lock before and after."""

    changes: tuple[FileChange, ...]
    lock_before: Lock
    lock: Lock

    @property
    def conflicts(self) -> tuple[FileChange, ...]:
        """Files that the user has to decide about. With a conflict nothing is written."""
        return tuple(c for c in self.changes if c.action == "conflict")

    @property
    def pending(self) -> tuple[FileChange, ...]:
        """What `write` will do: create, update, delete."""
        return tuple(c for c in self.changes if c.action in ("create", "update", "delete"))

    @property
    def changed(self) -> bool:
        """Whether `write` will write anything, including the lock."""
        return bool(self.pending) or self.lock_changed

    @property
    def lock_changed(self) -> bool:
        """Whether the text of the lock file will change."""
        return dump(self.lock) != dump(self.lock_before)

    def count(self, action: Action) -> int:
        """The number of files with that action."""
        return sum(c.action == action for c in self.changes)

    def summary(self) -> str:
        """`+3 ~1 -0`; with conflicts `+3 ~1 -0 !2`."""
        text = f"+{self.count('create')} ~{self.count('update')} -{self.count('delete')}"
        return f"{text} !{self.count('conflict')}" if self.conflicts else text

    def conflict(self) -> ConflictError | None:
        """The error for conflicts, with the options to resolve them; None without conflicts."""
        if not self.conflicts:
            return None
        lines = [f"{change.path}: {change.reason}" for change in self.conflicts]
        first = self.conflicts[0].path
        options = [f"--keep {first}    keep your file, now and in later builds"]
        if forced := next((c.path for c in self.conflicts if c.forced), None):
            options.append(f"--overwrite {forced}    replace it by the generated file")
        message = "conflicts, nothing was written:\n" + "\n".join(f"  {line}" for line in lines)
        paths = [change.path for change in self.conflicts]
        help = "run `mlspec build` with one of these options for each file:\n" + "\n".join(options)
        return ConflictError(message, paths=paths, help=help)


def diff(change: FileChange) -> str:
    """The unified diff of a change, empty if the text is the same; undecodable bytes are replaced by `?`."""
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
