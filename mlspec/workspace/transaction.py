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

from mlspec.workspace.disk import Disk
from mlspec.workspace.fingerprint import digest
from mlspec.workspace.roots import Key, Roots

COMMIT = "commit.json"


class Move(NamedTuple):
    """One file: the SHA-256 of its bytes before, and its text after; None where there is no file.

    `mode` are the rights it is to have; None leaves them to the system, as for any new file.
    """

    key: Key
    before: str | None
    after: str | None
    mode: int | None = None


class Record(NamedTuple):
    """All that a commit means. While it is carried out, the old file of `moves[n]` is put aside as `old-n`."""

    moves: tuple[Move, ...]
    made: tuple[Key, ...]
    """Folders to make, outermost first."""
    emptied: tuple[Key, ...]
    """Folders to remove if nothing is left in them, innermost first."""


def commit(folder: str, record: bytes) -> None:
    """The one step from the old tree to the new one. Raises OSError."""
    partial = os.path.join(folder, "commit.partial")
    with open(partial, "xb") as file:
        file.write(record)
        file.flush()
        os.fsync(file.fileno())
    os.rename(partial, os.path.join(folder, COMMIT))
    _flush_folder(folder)


class Transaction:
    """A committed record on its way into the tree."""

    def __init__(self, roots: Roots, folder: str, record: Record) -> None:
        self._roots = roots
        self._folder = folder
        self._record = record

    def forward(self) -> None:
        """Make the tree new. Raises OSError, and MlspecError where something is in the way."""
        for key in self._record.made:
            self._make_folder(key)
        disk = Disk(self._roots)
        for number, move in enumerate(self._record.moves):
            self._move(number, move, disk)
        for key in self._record.emptied:
            self._remove_folder(key)

    def back(self) -> None:
        """Make the tree old again, with the very files that were there. Raises OSError."""
        disk = Disk(self._roots)
        for number, move in reversed(list(enumerate(self._record.moves))):
            if disk.look(move.key).kind != "blocked" and self._done(move, disk):
                self._undo(move, self._path("old", number))
        for key in reversed(self._record.made):
            self._remove_folder(key)

    def close(self) -> None:
        """Forget the transaction. Raises OSError while it is still committed.

        The files are not flushed one by one, which would take longer than all else: should the power fail now, one of
        them may be found empty, and an empty file counts as one to be written again.
        """
        os.unlink(os.path.join(self._folder, COMMIT))
        discard(self._folder)

    def _make_folder(self, key: Key) -> None:
        obstacle = Disk(self._roots).obstacle(key)
        if obstacle:
            raise OSError(errno.EEXIST, obstacle, key[1])
        if obstacle is None:
            os.mkdir(self._roots.target(key))

    def _remove_folder(self, key: Key) -> None:
        """Remove it if it is a real folder and nothing is in it; what is the user's stays."""
        if Disk(self._roots).obstacle(key) == "":
            with suppress(OSError):
                os.rmdir(self._roots.target(key))

    def _move(self, number: int, move: Move, disk: Disk) -> None:
        if self._done(move, disk):
            return
        now = _content(disk, move.key)
        if now not in (None, move.before):
            return  # edited since the commit: the edit stays, and the next build shows it
        place, new = self._roots.target(move.key), self._path("new", number)
        if now is not None:
            _put_aside(place, self._path("old", number))
        if move.after is None:
            os.unlink(place)
        else:
            _create(new, encoded(move.after), move.mode)
            _rename(new, place)

    def _undo(self, move: Move, old: str) -> None:
        place = self._roots.target(move.key)
        if os.path.lexists(old):
            _rename(old, place)
        elif move.before is None and move.after is not None:
            os.unlink(place)

    def _done(self, move: Move, disk: Disk) -> bool:
        now = _content(disk, move.key)
        if move.after is None or now is None:
            return move.after is now
        if now != digest(encoded(move.after)):
            return False
        place = self._roots.target(move.key)
        return move.mode is None or stat.S_IMODE(os.stat(place, follow_symlinks=False).st_mode) == move.mode

    def _path(self, kind: str, number: int) -> str:
        return os.path.join(self._folder, f"{kind}-{number}")


def encoded(text: str) -> bytes:
    """The bytes of a file's text as `Disk` reads it."""
    return text.encode("utf-8", "surrogateescape")


def discard(folder: str) -> None:
    """Remove a transaction's folder, as far as it can be removed."""
    with suppress(OSError):
        if os.path.islink(folder) or not os.path.isdir(folder):
            os.unlink(folder)
            return
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)
        os.rmdir(os.path.dirname(folder))


def _create(path: str, data: bytes, mode: int | None) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o666)
    with open(descriptor, "wb") as file:
        if mode is not None:
            os.fchmod(file.fileno(), mode)
        file.write(data)


def _flush_folder(folder: str) -> None:
    with suppress(OSError):  # not every file system can
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _content(disk: Disk, key: Key) -> str | None:
    found = disk.look(key)
    if found.kind == "blocked":
        raise OSError(errno.EEXIST, found.reason, key[1])
    return None if found.text is None else digest(encoded(found.text))


def _put_aside(place: str, old: str) -> None:
    """Keep the file itself, not a copy: put back, it has its inode and its times."""
    try:
        os.link(place, old)
    except FileExistsError:
        return
    except OSError:
        _copy(place, old)  # another file system, or one without hard links


def _rename(source: str, target: str) -> None:
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        partial = f"{target}.mlspec"
        _copy(source, partial)
        os.rename(partial, target)
        os.unlink(source)


def _copy(source: str, target: str) -> None:
    import shutil

    shutil.copy2(source, target, follow_symlinks=False)
