"""Reports which files of a folder any process opens, with Linux's inotify (`man 7 inotify`).

A program without dependencies that `mlspec/watch.py` starts. In a thread of the stage's process, a library that holds
the GIL would let the kernel's queue overflow, and a stage may fork. It answers on stdout, in lines of JSON.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import struct
import sys
from collections.abc import Iterator

_MODIFY, _CLOSE_WRITE, _CLOSE_NOWRITE, _OPEN = 0x2, 0x8, 0x10, 0x20
_MOVED_TO, _CREATE, _OVERFLOW, _FOLDER = 0x80, 0x100, 0x4000, 0x4000_0000
_EVENTS = _MODIFY | _CLOSE_WRITE | _CLOSE_NOWRITE | _OPEN | _MOVED_TO | _CREATE
_HEAD = struct.Struct("iIII")

MOST = 20_000
"""Limit of watched folders: a link may lead to a whole disk."""
_TOP = frozenset({"artifacts", "conf", "multirun", "wandb"})
_NAMES = frozenset({"site-packages", "dist-packages", "node_modules"})


def places(root: str) -> Iterator[tuple[str, bool]]:
    """Folders to watch, as relative paths with a trailing slash, and links to files in other folders."""
    left = [""]
    known: set[tuple[int, int]] = set()
    while left:
        folder = left.pop()
        yield folder, True
        try:
            entries = list(os.scandir(os.path.join(root, folder)))
            about = os.stat(os.path.join(root, folder))
        except OSError:
            continue
        if (about.st_dev, about.st_ino) in known:
            continue
        known.add((about.st_dev, about.st_ino))
        for entry in entries:
            if entry.name.startswith(".") or entry.name in _NAMES or (not folder and entry.name in _TOP):
                continue
            if entry.is_dir():
                if entry.is_symlink() and _around(entry.path):
                    continue
                left += [] if os.path.exists(f"{entry.path}/pyvenv.cfg") else [f"{folder}{entry.name}/"]
            elif entry.is_symlink():
                yield f"{folder}{entry.name}", False


def _around(link: str) -> bool:
    """Whether a link leads to a folder that contains it."""
    return f"{os.path.realpath(os.path.dirname(link))}/".startswith(f"{os.path.realpath(link).rstrip('/')}/")


class Watches:
    """The inotify watches of a folder and its subfolders, and their events."""

    def __init__(self, root: str) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._names: dict[int, set[str]] = {}
        self.fd: int = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self.read: set[str] = set()
        self.listed: set[str] = set()
        self._created: set[str] = set()
        self._modified: set[str] = set()
        self._open: dict[str, int] = {}
        self.blind = self._watch(root, list(places(root)))

    def _watch(self, root: str, paths: list[tuple[str, bool]]) -> str:
        """Add the watches. Returns why some are missing, or `""`."""
        for path, _ in paths[:MOST]:
            number = self._libc.inotify_add_watch(self.fd, os.fsencode(os.path.join(root, path)), _EVENTS)
            if number >= 0:
                self._names.setdefault(number, set()).add(path)
            elif ctypes.get_errno() == 28:  # ENOSPC
                return "the limit fs.inotify.max_user_watches is reached"
        return f"it has more than {MOST} folders" if len(paths) > MOST else ""

    def take(self) -> None:
        """Process the events that the kernel has reported so far."""
        while True:
            try:
                raw = os.read(self.fd, 1 << 16)
            except BlockingIOError:
                return
            at = 0
            while at < len(raw):
                number, mask, _, size = _HEAD.unpack_from(raw, at)
                name = os.fsdecode(raw[at + _HEAD.size : at + _HEAD.size + size].rstrip(b"\0"))
                at += _HEAD.size + size
                for folder in self._names.get(number, ()):
                    self._event(folder + name, mask)
                if mask & _OVERFLOW:
                    self.blind = "more files were opened at once than inotify can report"

    def _event(self, path: str, mask: int) -> None:
        """Record one event. A file that was created during the stage is not an input, unless it was read before."""
        if mask & _FOLDER or not path or path.endswith("/"):
            if mask & _OPEN:
                self.listed.add(path.rstrip("/"))
            return
        if mask & _OPEN:
            self._open[path] = self._open.get(path, 0) + 1
        if mask & (_CLOSE_NOWRITE | _CLOSE_WRITE):
            self._open[path] = self._open.get(path, 0) - 1
        if mask & (_CREATE | _MOVED_TO):
            self._created.add(path)
        if mask & _MODIFY:
            self._modified.add(path)
        changed = path in self._created or (mask & _CLOSE_WRITE and path in self._modified)
        if mask & (_CLOSE_NOWRITE | _CLOSE_WRITE) and not changed:
            self.read.add(path)

    def forget(self) -> None:
        """Discard the events since the last call of `take`."""
        read, listed = set(self.read), set(self.listed)
        self.take()
        self.read, self.listed = read, listed

    def still_open(self) -> set[str]:
        """Files that are still open: memory maps stay open until their process exits."""
        return {p for p, count in self._open.items() if count > 0} - self._created - self._modified


def main(root: str) -> None:
    """Watch for one stage: `p` and `r` on stdin pause and resume, any other input or EOF stops."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole process group; the stage stops the watch
    watches = Watches(root)
    watches.forget()
    _answer({"blind": watches.blind})
    poll = select.poll()
    poll.register(0, select.POLLIN)
    poll.register(watches.fd, select.POLLIN)
    paused = False
    while True:
        ready = {fd for fd, _ in poll.poll()}
        (watches.forget if paused else watches.take)()
        if 0 in ready:
            command = os.read(0, 1)
            if command not in (b"p", b"r"):
                break
            paused = command == b"p"
            _answer({})
    opened = sorted(watches.read | watches.still_open())
    _answer({"native": opened, "folders": sorted(watches.listed), "blind": watches.blind})


def _answer(values: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
