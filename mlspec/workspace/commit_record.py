"""The CommitRecord of a transaction to the text of `commit.json` and back. The file is validated."""

from __future__ import annotations

import json
import os
import stat

from mlspec.errors import MlspecError
from mlspec.workspace.operations import SYSTEM, Operations
from mlspec.workspace.roots import LOCK, STATE, Key, fault
from mlspec.workspace.transaction import COMMIT, CommitRecord, Move, encoded

LOCK_KEY: Key = ("project", LOCK)


def dump(record: CommitRecord) -> bytes:
    """The text of `commit.json`."""
    document = {
        "moves": [[*move.key, move.before, move.after, move.mode] for move in record.moves],
        "made": record.created,
        "emptied": record.emptied,
    }
    return json.dumps(document).encode()


def read(folder: str, operations: Operations = SYSTEM) -> CommitRecord | None:
    """The record of the transaction in `folder`; None if it is not committed.

    Raises MlspecError if the file is invalid, and OSError if it cannot be read.
    """
    raw = _bytes(folder, operations)
    if raw is None:
        return None
    try:
        document = json.loads(raw)
        moves = tuple(_move(row) for row in document["moves"])
        created, emptied = (tuple(_key(row) for row in document[name]) for name in ("made", "emptied"))
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        raise MlspecError(
            f"{STATE}/pending contains an invalid transaction",
            help=f"remove the folder {STATE}/pending, then run `mlspec build`",
        ) from None
    return CommitRecord(moves, created, emptied)


def _bytes(folder: str, operations: Operations) -> bytes | None:
    path = os.path.join(folder, COMMIT)
    try:
        if not stat.S_ISDIR(operations.lstat(folder).st_mode) or not stat.S_ISREG(operations.lstat(path).st_mode):
            return None
    except FileNotFoundError:
        return None
    descriptor = operations.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        return operations.contents(descriptor, operations.fstat(descriptor).st_size)
    finally:
        operations.close(descriptor)


def _key(row: list[object]) -> Key:
    anchor, path = row
    if anchor not in ("project", "repository") or not isinstance(path, str):
        raise ValueError
    key: Key = (anchor, path)
    if key != LOCK_KEY and fault(path):
        raise ValueError
    return key


def _move(row: list[object]) -> Move:
    before, after, mode = row[2:]
    if not isinstance(before, str | None) or not isinstance(after, str | None) or not isinstance(mode, int | None):
        raise ValueError
    if mode is not None and not 0 <= mode <= 0o777:
        raise ValueError
    if after is not None:
        encoded(after)
    return Move(_key(row[:2]), before, after, mode)
