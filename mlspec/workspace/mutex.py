"""One mlspec at a time in a project: a lock on `.mlspec/lock`, which the system releases when the holder dies."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

from mlspec.errors import EXIT_CONFLICT, MlspecError
from mlspec.workspace.roots import STATE, Roots
from mlspec.workspace.state_folder import make_state_folder

PATIENCE = 60.0
"""Seconds to wait for another mlspec process."""
_POLL = 0.1
_UNSUPPORTED = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS}


class BusyError(MlspecError):
    """Another mlspec process holds this project."""

    exit_code: ClassVar[int] = EXIT_CONFLICT


@contextmanager
def hold(
    roots: Roots,
    command: str,
    *,
    wait: bool = True,
    patience: float = PATIENCE,
    on_wait: Callable[[str], None] = lambda _: None,
) -> Iterator[None]:
    """Hold the project while the block runs. Other processes report `command` as the holder.

    If another mlspec holds it: calls `on_wait` with a message and waits `patience` seconds; after that, or without
    `wait`, raises BusyError. Raises MlspecError if the lock cannot be created.
    """
    descriptor = _open(roots)
    try:
        if not _try(descriptor):
            _wait(descriptor, patience if wait else 0.0, on_wait)
        _sign(descriptor, command)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def hold_or_serve(roots: Roots, command: str, holder: int | None) -> Iterator[int]:
    """Hold the project while the block runs, unless the mlspec that holds it started this process.

    `holder` is the process id of the mlspec that started this process, None where none did. Yields the id of the
    process that holds the project. Raises BusyError immediately if another process holds it.
    """
    descriptor = _open(roots)
    try:
        if holder is not None and str(holder) == str(_row(descriptor).get("pid")) and not _try(descriptor):
            yield holder
            return
    finally:
        os.close(descriptor)
    with hold(roots, command, wait=False):
        yield os.getpid()


def _open(roots: Roots) -> int:
    try:
        path = os.path.join(make_state_folder(roots), "lock")
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        message = f"cannot write the state of mlspec to {roots.project}/{STATE}: {error.strerror}"
        raise MlspecError(message, help="fix the permissions of the project folder") from None


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        # Some network file systems do not support locks; mlspec then works without one.
        if error.errno not in _UNSUPPORTED:
            raise
    return True


def _wait(descriptor: int, patience: float, on_wait: Callable[[str], None]) -> None:
    holder = _holder(descriptor)
    if patience > 0:
        on_wait(f"waiting for {holder}")
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        time.sleep(_POLL)
        if _try(descriptor):
            return
    raise BusyError(
        f"{_holder(descriptor)} is running in this project",
        help="wait until it has finished, or stop it",
    )


def _holder(descriptor: int) -> str:
    row = _row(descriptor)
    return f"`{row['command']}` (process {row['pid']})" if row else "another mlspec"


def _row(descriptor: int) -> Mapping[str, str | int]:
    """The `command` and `pid` of the last holder; empty if the file is invalid."""
    try:
        row = json.loads(os.pread(descriptor, 4096, 0))
        return {"command": str(row["command"]), "pid": int(row["pid"])}
    except (ValueError, TypeError, KeyError):
        return {}


def _sign(descriptor: int, command: str) -> None:
    """Write the holder of the project. Raises MlspecError, for example on a full disk."""
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "command": command}).encode(), 0)
    except OSError as error:
        message = f"cannot write {STATE}/lock: {error.strerror}"
        raise MlspecError(message, help="free disk space or fix the permissions, then run the command again") from None
