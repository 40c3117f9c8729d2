"""DVC's list of who reads and writes which path, `.dvc/tmp/rwlock`, without what a kill has left in it.

DVC (3.67, rwlock.py) writes it in place, so that it can be torn, and holds `rwlock.lock` while it reads or writes it.
It removes processes that have ended by itself; a process id that another program has since blocks it for good.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from mlspec.job import write_text

_TRIES: Final = 20
_PAUSE: Final = 0.1
_SLACK: Final = 2.0
"""Seconds by which the clocks of file systems and processes may differ."""


def repair(root: Path) -> None:
    """Remove the entries of processes that are no more, and the whole list where it is torn.

    Nothing is done while a DVC works on the list: it is whole then, and DVC's own to change.
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
        found = json.loads(listed.read_text(encoding="utf-8"))
        left = _living(found, written.st_mtime)
    except FileNotFoundError:
        return
    except (ValueError, TypeError, KeyError, AttributeError):
        listed.unlink()
        return
    if left != found:
        write_text(listed, json.dumps(left))
        os.utime(listed, ns=(written.st_atime_ns, written.st_mtime_ns))  # the entries are no younger than they were


@contextmanager
def _guarded(guard: Path) -> Iterator[bool]:
    """Hold DVC's lock on the list; False where another process keeps it.

    DVC locks the file, or with `core.hardlink_lock` has it while it is locked: one that is made here goes again.
    """
    for _ in range(_TRIES):
        with suppress(BlockingIOError, FileExistsError, FileNotFoundError):
            made = not guard.exists()
            descriptor = os.open(guard, os.O_RDWR | (os.O_CREAT | os.O_EXCL if made else 0), 0o666)
            break
        time.sleep(_PAUSE)
    else:
        yield False
        return
    try:
        yield _locked(descriptor)
    finally:
        if made:
            guard.unlink(missing_ok=True)
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE)
        except OSError as error:
            return error.errno in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)  # nobody can lock there
        else:
            return os.fstat(descriptor).st_nlink < 2  # with core.hardlink_lock the holder has a second link to it
    return False


def _living(found: dict[str, Any], written: float) -> dict[str, Any]:
    """`{"write": {path: process}, "read": {path: [process]}}` without processes that have ended."""
    write = {path: info for path, info in found.get("write", {}).items() if _runs(info, written)}
    read = {path: [i for i in infos if _runs(i, written)] for path, infos in found.get("read", {}).items()}
    return {"write": write, "read": {path: infos for path, infos in read.items() if infos}}


def _runs(info: dict[str, Any], written: float) -> bool:
    """Whether the process of an entry may still run. One that began after the list was written is another program with
    the same id; any other is kept, since DVC can run in any program."""
    import psutil

    try:
        found = psutil.Process(int(info["pid"]))
        return bool(found.status() != psutil.STATUS_ZOMBIE and found.create_time() < written + _SLACK)
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True
