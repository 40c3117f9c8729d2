"""One all-or-nothing change of the tree: the record that commits it, doing it and taking it back.

The record holds every new content: flushing that one file makes the change safe, however many files it has. Every step
can be repeated: what is done is seen from the tree itself, never from memory.
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
"""Errors of looking at a place where nothing can have been written."""
_STAYS = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.EBUSY)
"""Errors of removing a folder that is in use, or gone already: no reason to roll back."""


class Move(NamedTuple):
    """One file: the SHA-256 of its bytes before, and its text after; None where there is no file.

    `mode` are the rights it is to have; None leaves them to the system, as for any new file.
    """

    key: Key
    before: str | None
    after: str | None
    mode: int | None = None


class CommitRecord(NamedTuple):
    """All that a commit means. While it is carried out, the old file of `moves[n]` is put aside as `old-n`."""

    moves: tuple[Move, ...]
    made: tuple[Key, ...]
    """Folders to make, outermost first."""
    emptied: tuple[Key, ...]
    """Folders to remove if nothing is left in them, innermost first."""


def commit(folder: str, record: bytes, operations: Operations = SYSTEM) -> None:
    """The one step from the old tree to the new one. Raises OSError."""
    partial = os.path.join(folder, "commit.partial")
    operations.save(partial, record, flush=True)
    operations.rename(partial, os.path.join(folder, COMMIT))
    operations.flush_folder(folder)


class Transaction:
    """A committed record on its way into the tree."""

    def __init__(self, roots: Roots, folder: str, record: CommitRecord, operations: Operations = SYSTEM) -> None:
        self._roots = roots
        self._folder = folder
        self._record = record
        self._operations = operations

    def forward(self) -> None:
        """Make the tree new. Raises OSError, and MlspecError where something is in the way."""
        for key in self._record.made:
            self._make_folder(key)
        disk = self._disk()
        for number, move in enumerate(self._record.moves):
            self._move(number, move, disk)
        for key in self._record.emptied:
            self._remove_folder(key)

    def back(self) -> None:
        """Make the tree old again, with the very files that were there.

        Rolls back all that can be, and then raises the first OSError or MlspecError.
        """
        disk = self._disk()
        failures: list[OSError | MlspecError] = []
        for number, move in reversed(list(enumerate(self._record.moves))):
            try:
                self._return(number, move, disk)
            except (OSError, MlspecError) as error:
                failures.append(error)
        for key in reversed(self._record.made):
            try:
                self._remove_folder(key)
            except UnreadableError as error:
                failures += [] if error.number in _NEVER_THERE else [error]
            except OSError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def close(self) -> None:
        """Forget the transaction. Raises OSError while it is still committed.

        The files are not flushed one by one, which would take longer than all else: should the power fail now, one of
        them may be found empty, and an empty file counts as one to be written again.
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
        """Remove it if it is a real folder and nothing is in it; what is the user's stays."""
        if self._disk().obstacle(key) == "":
            try:
                self._operations.rmdir(self._roots.target(key))
            except OSError as error:
                if error.errno not in _STAYS:
                    raise

    def _move(self, number: int, move: Move, disk: Disk) -> None:
        done, place = self._done(move, disk), self._roots.target(move.key)
        self._operations.remove(self._beside(place, number))  # what a kill cut short
        if done:
            return
        now, new = _content(disk, move.key), self._path("new", number)
        if now not in (None, move.before):  # edited since the commit: the edit stays, and the next build shows it
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
        """Keep the file itself, not a copy: put back, it has its inode and its times."""
        try:
            self._operations.link(place, old)
        except FileExistsError:
            return
        except OSError:  # another file system, or one without hard links; a copy that a kill cut short is not taken
            self._operations.copy(place, f"{old}.partial")
            self._operations.rename(f"{old}.partial", old)

    def _path(self, kind: str, number: int) -> str:
        return os.path.join(self._folder, f"{kind}-{number}")

    @staticmethod
    def _beside(place: str, number: int) -> str:
        """Where a file from another file system is written first. The name does not grow with that of the file."""
        return os.path.join(os.path.dirname(place), f".mlspec-{number}.partial")


def encoded(text: str) -> bytes:
    """The bytes of a file's text as `Disk` reads it."""
    return text.encode("utf-8", "surrogateescape")


def discard(folder: str, operations: Operations = SYSTEM) -> None:
    """Remove a transaction's folder, as far as it can be removed."""
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
    found = disk.look(key)
    if found.kind == "blocked":
        raise OSError(errno.EEXIST, found.reason, key[1])
    return None if found.text is None else digest(encoded(found.text))
