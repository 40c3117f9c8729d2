"""One atomic change of the tree: the record that commits it, applying it and rolling it back.

The record contains every new text: flushing this one file makes the change durable, however many files it has. Every
step can be repeated: what is done is read from the tree, not from memory.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import NamedTuple

from mlspec.errors import MlspecError
from mlspec.workspace.digests import digest
from mlspec.workspace.disk import Disk, UnreadableError
from mlspec.workspace.operations import SYSTEM, Operations
from mlspec.workspace.roots import Key, Roots

COMMIT = "commit.json"
_NEVER_THERE = (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR)
"""Errors of paths at which nothing can have been written."""
_STAYS = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.EBUSY)
"""Errors of removing a folder that is in use or removed already; they do not cause a rollback."""


class Move(NamedTuple):
    """One file: the SHA-256 of its bytes before, and its text after; None without a file.

    `mode` are its permissions; None leaves them to the system, as for any new file.
    """

    key: Key
    before: str | None
    after: str | None
    mode: int | None = None


class CommitRecord(NamedTuple):
    """The content of a commit. While it is applied, the old file of `moves[n]` is stored as `old-n`."""

    moves: tuple[Move, ...]
    created: tuple[Key, ...]
    """Folders to create, outermost first."""
    emptied: tuple[Key, ...]
    """Folders to remove if they are empty, innermost first."""


def commit(folder: str, record: bytes, operations: Operations = SYSTEM) -> None:
    """Write `record`: the atomic step from the old tree to the new one. Raises OSError."""
    partial = os.path.join(folder, "commit.partial")
    operations.save(partial, record, flush=True)
    operations.rename(partial, os.path.join(folder, COMMIT))
    operations.flush_folder(folder)


class Transaction:
    """A committed record that is applied to the tree."""

    def __init__(self, roots: Roots, folder: str, record: CommitRecord, operations: Operations = SYSTEM) -> None:
        self._roots = roots
        self._folder = folder
        self._record = record
        self._operations = operations

    def forward(self) -> None:
        """Apply the record. Raises OSError, and MlspecError if a path is blocked."""
        for key in self._record.created:
            self._make_folder(key)
        disk = self._disk()
        for number, move in enumerate(self._record.moves):
            self._move(number, move, disk)
        for key in self._record.emptied:
            self._remove_folder(key)

    def back(self) -> None:
        """Roll the tree back, with the original files.

        Rolls back as much as possible, and then raises the first OSError or MlspecError.
        """
        disk = self._disk()
        failures: list[OSError | MlspecError] = []
        for number, move in reversed(list(enumerate(self._record.moves))):
            try:
                self._return(number, move, disk)
            except (OSError, MlspecError) as error:
                failures.append(error)
        for key in reversed(self._record.created):
            try:
                self._remove_folder(key)
            except UnreadableError as error:
                failures += [] if error.number in _NEVER_THERE else [error]
            except OSError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def close(self) -> None:
        """Remove the transaction. Raises OSError while it is still committed.

        The files are not flushed one by one, which would take most of the time: a power failure may leave one of them
        empty, and an empty file is written again by the next build.
        """
        self._operations.unlink(os.path.join(self._folder, COMMIT))
        discard(self._folder, self._operations)

    def _disk(self) -> Disk:
        return Disk(self._roots, self._operations)

    def _make_folder(self, key: Key) -> None:
        obstacle = self._disk().obstacle(key)
        if obstacle:
            raise OSError(errno.EEXIST, obstacle, key[1])
        if obstacle is None:
            self._operations.mkdir(self._roots.target(key))

    def _remove_folder(self, key: Key) -> None:
        """Remove a folder if it is not a link and empty; files of the user stay."""
        if self._disk().obstacle(key) == "":
            try:
                self._operations.rmdir(self._roots.target(key))
            except OSError as error:
                if error.errno not in _STAYS:
                    raise

    def _move(self, number: int, move: Move, disk: Disk) -> None:
        done, place = self._done(move, disk), self._roots.target(move.key)
        self._operations.remove(self._beside(place, number))  # left by a killed process
        if done:
            return
        now, new = _content(disk, move.key), self._path("new", number)
        if now not in (None, move.before):  # edited since the commit: the edit stays, and the next build reports it
            return
        if now is not None:
            self._put_aside(place, self._path("old", number))
        if move.after is None:
            self._operations.unlink(place)
        else:
            self._operations.save(new, encoded(move.after), move.mode)
            self._operations.bring(new, place, self._beside(place, number))

    def _return(self, number: int, move: Move, disk: Disk) -> None:
        place = self._roots.target(move.key)
        try:
            blocked = disk.look(move.key).kind == "blocked"
        except UnreadableError as error:
            if error.number in _NEVER_THERE:
                return
            raise
        if blocked:
            return
        self._operations.remove(self._beside(place, number))
        if self._done(move, disk):
            self._undo(number, move, place)

    def _undo(self, number: int, move: Move, place: str) -> None:
        old = self._path("old", number)
        if self._operations.exists(old):
            self._operations.make_folders(os.path.dirname(place))
            self._operations.bring(old, place, self._beside(place, number))
        elif move.before is None and move.after is not None:
            self._operations.unlink(place)

    def _done(self, move: Move, disk: Disk) -> bool:
        now = _content(disk, move.key)
        if move.after is None or now is None:
            return move.after is now
        if now != digest(encoded(move.after)):
            return False
        place = self._roots.target(move.key)
        return move.mode is None or stat.S_IMODE(self._operations.lstat(place).st_mode) == move.mode

    def _put_aside(self, place: str, old: str) -> None:
        """Store the file itself, not a copy, so that a rollback restores its inode and times."""
        try:
            self._operations.link(place, old)
        except FileExistsError:
            return
        except OSError:  # another file system, or one without hard links; a partial copy is not used
            self._operations.copy(place, f"{old}.partial")
            self._operations.rename(f"{old}.partial", old)

    def _path(self, kind: str, number: int) -> str:
        return os.path.join(self._folder, f"{kind}-{number}")

    @staticmethod
    def _beside(place: str, number: int) -> str:
        """The temporary path of a file from another file system. The length of the name does not depend on the file."""
        return os.path.join(os.path.dirname(place), f".mlspec-{number}.partial")


def encoded(text: str) -> bytes:
    """The bytes of a file's text as `Disk` reads it."""
    return text.encode("utf-8", "surrogateescape")


def discard(folder: str, operations: Operations = SYSTEM) -> None:
    """Remove a transaction's folder; ignores errors."""
    with suppress(OSError):
        if not stat.S_ISDIR(operations.lstat(folder).st_mode):
            operations.unlink(folder)
            return
        for name in operations.entries(folder):
            with suppress(OSError):
                operations.unlink(os.path.join(folder, name))
        operations.rmdir(folder)
        operations.rmdir(os.path.dirname(folder))


def _content(disk: Disk, key: Key) -> str | None:
    entry = disk.look(key)
    if entry.kind == "blocked":
        raise OSError(errno.EEXIST, entry.reason, key[1])
    return None if entry.text is None else digest(encoded(entry.text))
