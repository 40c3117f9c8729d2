"""Repairs DVC's list of the processes that read and write each path, `.dvc/tmp/rwlock`, after a kill.

DVC (3.67, rwlock.py) writes it in place, so that a kill can truncate it, and locks `rwlock.lock` meanwhile.
DVC itself removes processes that have ended; a process id that another program has taken over blocks it permanently.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from mlspec.job import write_text

_TRIES: Final = 20
_PAUSE: Final = 0.1
_SLACK: Final = 2.0
"""Seconds by which the clocks of file systems and processes may differ."""


@dataclass(frozen=True, slots=True)
class ListedProcess:
    """A process that works on a path, and its command."""

    pid: int
    cmd: str


@dataclass(frozen=True, slots=True)
class AccessLists:
    """Which process writes and which processes read each path."""

    write: Mapping[str, ListedProcess]
    read: Mapping[str, tuple[ListedProcess, ...]]

    @classmethod
    def parse(cls, value: object) -> AccessLists:
        """From `{"write": {path: process}, "read": {path: [process]}}`. Raises ValueError, TypeError or KeyError."""
        if not isinstance(value, dict):
            raise TypeError(value)
        write = {str(path): _process(row) for path, row in value.get("write", {}).items()}
        return cls(write, {str(path): tuple(map(_process, rows)) for path, rows in value.get("read", {}).items()})


def _process(row: Mapping[str, object]) -> ListedProcess:
    return ListedProcess(int(str(row["pid"])), str(row.get("cmd", "")))


def repair(root: Path) -> None:
    """Remove the entries of processes that have ended, and the whole list where it is incomplete.

    Does nothing while a DVC process holds the list: it is complete then, and DVC changes it.
    """
    listed = root / ".dvc" / "tmp" / "rwlock"
    if not listed.is_file():
        return
    with _guarded(listed.with_name("rwlock.lock")) as held:
        if held:
            _repair(listed)


def _repair(listed: Path) -> None:
    try:
        written = listed.stat()
        lists = AccessLists.parse(json.loads(listed.read_text(encoding="utf-8")))
        living = _living(lists, written.st_mtime)
    except FileNotFoundError:
        return
    except (ValueError, TypeError, KeyError, AttributeError):
        listed.unlink()
        return
    if living != lists:
        write_text(listed, json.dumps(asdict(living)))
        os.utime(listed, ns=(written.st_atime_ns, written.st_mtime_ns))  # the entries are no younger than they were


@contextmanager
def _guarded(guard: Path) -> Iterator[bool]:
    """Hold DVC's lock on the list; False where another process keeps it.

    DVC locks this file; with `core.hardlink_lock` it exists only while it is locked, so one created here is removed.
    """
    for _ in range(_TRIES):
        with suppress(BlockingIOError, FileExistsError, FileNotFoundError):
            created = not guard.exists()
            descriptor = os.open(guard, os.O_RDWR | (os.O_CREAT | os.O_EXCL if created else 0), 0o666)
            break
        time.sleep(_PAUSE)
    else:
        yield False
        return
    try:
        yield _locked(descriptor)
    finally:
        if created:
            guard.unlink(missing_ok=True)
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE)
        except OSError as error:
            return error.errno in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)  # this file system has no locks
        else:
            return os.fstat(descriptor).st_nlink < 2  # with core.hardlink_lock the holder has a second link to it
    return False


def _living(lists: AccessLists, written: float) -> AccessLists:
    """The lists without processes that have ended."""
    write = {path: process for path, process in lists.write.items() if _runs(process, written)}
    read = {path: tuple(p for p in processes if _runs(p, written)) for path, processes in lists.read.items()}
    return AccessLists(write, {path: processes for path, processes in read.items() if processes})


def _runs(listed: ListedProcess, written: float) -> bool:
    """Whether the process of an entry may still run. One that began after the list was written is another program with
    the same id; any other is kept, since DVC can run in any program."""
    import psutil

    try:
        process = psutil.Process(listed.pid)
        return bool(process.status() != psutil.STATUS_ZOMBIE and process.create_time() < written + _SLACK)
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True
