"""One all-or-nothing change of the tree: what is laid ready, the record that commits it, doing it and taking it back.

Every step can be repeated: what is done is seen from the folder and the tree themselves, never from memory.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from mlspec.workspace.disk import Disk
from mlspec.workspace.fingerprint import digest
from mlspec.workspace.roots import Key, Roots

COMMIT = "commit.json"
_OPEN_AT_ONCE = 200


class Move(NamedTuple):
    """One file: SHA-256 of its bytes before and after; None where there is no file."""

    key: Key
    before: str | None
    after: str | None


class Record(NamedTuple):
    """All that a commit means. The new content of `moves[n]` lies in `new-n`; the old one is put aside as `old-n`."""

    moves: tuple[Move, ...]
    made: tuple[Key, ...]
    """Folders to make, outermost first."""
    emptied: tuple[Key, ...]
    """Folders to remove if nothing is left in them, innermost first."""


def lay(folder: str, contents: Iterable[tuple[int, bytes, int | None]]) -> None:
    """Write each (number, content, mode) into `folder` as `new-N`, and onto the medium. Raises OSError."""
    descriptors: list[int] = []
    try:
        for number, data, mode in contents:
            descriptors.append(_create(os.path.join(folder, f"new-{number}"), data, mode))
            if len(descriptors) == _OPEN_AT_ONCE:
                _flush(descriptors)
        _flush(descriptors)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def commit(folder: str, record: bytes) -> None:
    """The one step from the old tree to the new one. Raises OSError."""
    partial = os.path.join(folder, "commit.partial")
    descriptors = [_create(partial, record, None)]
    _flush(descriptors)
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
            place, new, old = self._paths(number, move)
            done = move.after is not None and not os.path.lexists(new)
            if done and disk.look(move.key).kind == "file" and _content(disk, move.key) == move.after:
                _rename(place, new)
            if os.path.lexists(old) and not os.path.lexists(place):
                _rename(old, place)
        for key in reversed(self._record.made):
            self._remove_folder(key)

    def close(self) -> None:
        """Forget the transaction. Raises OSError while it is still committed.

        The moves need no flushing of their own: a file system with a journal keeps them before this removal.
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
        place, new, old = self._paths(number, move)
        if move.after is not None and not os.path.lexists(new):
            return  # done before the kill
        now = _content(disk, move.key)
        if now not in (None, move.before) or (now is None and move.after is None):
            return  # edited since the commit: the edit stays, and the next build shows it
        if now is not None:
            _put_aside(place, old)
        if move.after is None:
            os.unlink(place)
        else:
            _rename(new, place)

    def _paths(self, number: int, move: Move) -> tuple[str, str, str]:
        new, old = (os.path.join(self._folder, f"{kind}-{number}") for kind in ("new", "old"))
        return self._roots.target(move.key), new, old


def discard(folder: str) -> None:
    """Remove a transaction's folder, as far as it can be removed; what commits it goes first."""
    with suppress(OSError):
        if os.path.islink(folder) or not os.path.isdir(folder):
            os.unlink(folder)
            return
        for name in sorted(os.listdir(folder), key=lambda name: name != COMMIT):
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)
        os.rmdir(os.path.dirname(folder))


def _create(path: str, data: bytes, mode: int | None) -> int:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        if mode is not None:
            os.fchmod(descriptor, mode)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _flush(descriptors: list[int]) -> None:
    """All of them onto the medium, and closed. Writing out is begun for all before any is waited for: twice as fast."""
    if hasattr(os, "posix_fadvise"):
        for descriptor in descriptors:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    while descriptors:
        os.fsync(descriptors[-1])
        os.close(descriptors.pop())


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
    return None if found.text is None else digest(found.text.encode("utf-8", "surrogateescape"))


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
