"""Writes a ChangeSet to disk, all or nothing, even if the process is killed. Nothing else writes generated files.

The change is written to `.mlspec/pending/ID/` and flushed. The rename to `commit.json` there commits it: after it, the
next mlspec process completes the change (`recover`); before it, the old tree stays. Replaced and removed files are
stored until the end, so that a failure (missing permissions, a full disk) is rolled back. A file that is edited in the
meantime keeps the edit, and the next build reports it.
"""

from __future__ import annotations

import errno
import os
import time

from mlspec.errors import MlspecError
from mlspec.workspace import commit_record as records
from mlspec.workspace.changes import ChangeSet, FileChange
from mlspec.workspace.digests import digest
from mlspec.workspace.disk import Disk
from mlspec.workspace.lock import dump
from mlspec.workspace.operations import SYSTEM, Operations
from mlspec.workspace.roots import Roots
from mlspec.workspace.state_folder import make_state_folder, pending_folder
from mlspec.workspace.transaction import CommitRecord, Move, Transaction, commit, discard, encoded

_WHOLE = "no generated file was changed; fix the error, then run `mlspec build` again"
_HALF = (
    "only some generated files were changed; fix the error, then run `mlspec build` again: "
    "it completes the change or rolls it back"
)
_REASONS = {
    errno.ENOSPC: "free disk space",
    errno.EDQUOT: "free disk space, or raise your quota",
    errno.EROFS: "make the file system writable",
    errno.EACCES: "fix the permissions",
    errno.EPERM: "fix the permissions",
    errno.ENAMETOOLONG: "shorten the name in the spec that the path contains, or the name of the project folder",
}


def write(changeset: ChangeSet, roots: Roots, operations: Operations = SYSTEM) -> None:
    """Apply `changeset` to the tree. The caller holds the project (`mutex.hold`).

    Raises ConflictError if there are conflicts, MlspecError if writing fails; the old tree is then unchanged.
    """
    if conflict := changeset.conflict():
        raise conflict
    if not changeset.changed:
        return
    folder = os.path.join(pending_folder(roots), f"{time.time_ns()}-{os.getpid()}")
    try:
        _open_folder(folder, roots, operations)
        record = _stage(changeset, roots, operations)
        commit(folder, records.dump(record), operations)
    except OSError as error:
        discard(folder, operations)
        raise _failed(error, roots) from None
    except MlspecError:
        discard(folder, operations)
        raise
    _finish(Transaction(roots, folder, record, operations), roots)


def recover(roots: Roots, operations: Operations = SYSTEM) -> bool:
    """Complete the committed changes of a killed process, and discard the others. Returns whether there were any.

    A change that cannot be completed is rolled back. Every command that reads or writes generated files calls this
    first, while it holds the project. Raises MlspecError.
    """
    pending = pending_folder(roots)
    try:
        left = sorted(operations.entries(pending))
        for name in left:
            folder = os.path.join(pending, name)
            record = records.read(folder, operations)
            if record is None:
                discard(folder, operations)
            else:
                _finish(Transaction(roots, folder, record, operations), roots)
    except OSError as error:
        raise _failed(error, roots, _HALF) from None
    return bool(left)


def unfinished(roots: Roots) -> bool:
    """Whether a killed process left something for `recover`. Raises MlspecError."""
    try:
        return bool(SYSTEM.entries(pending_folder(roots)))
    except OSError as error:
        raise _failed(error, roots, _HALF) from None


def _open_folder(folder: str, roots: Roots, operations: Operations) -> None:
    make_state_folder(roots, operations)
    operations.make_folders(os.path.dirname(folder))
    operations.mkdir(folder)


def _stage(changeset: ChangeSet, roots: Roots, operations: Operations) -> CommitRecord:
    """The record of the change. Raises MlspecError if the tree has changed since it was compared."""
    disk = Disk(roots, operations)
    moves: list[Move] = []
    for change in changeset.pending:
        if disk.look(change.key).text != change.before:
            raise MlspecError(f"{change.path} has changed while mlspec was running", help="run the command again")
        moves.append(Move(change.key, _digest(change.before), change.after, _mode(change, roots, operations)))
    lock, new_lock = disk.look(records.LOCK_KEY).text, dump(changeset.lock)
    if lock != new_lock:
        moves.append(Move(records.LOCK_KEY, _digest(lock), new_lock))
    written = [change for change in changeset.pending if change.after is not None]
    created = {folder for change in written for folder in disk.missing_folders(change.key)}
    emptied = changeset.lock_before.folders - changeset.lock.folders
    return CommitRecord(tuple(moves), tuple(sorted(created)), tuple(sorted(emptied, reverse=True)))


def _mode(change: FileChange, roots: Roots, operations: Operations) -> int | None:
    """The file's mode, executable if the change says so; None for a new file that is not executable."""
    if change.before is not None:
        mode = operations.lstat(roots.target(change.key)).st_mode & 0o777
    elif change.executable:
        mode = 0o666 & ~_umask()
    else:
        return None
    return mode | (mode & 0o444) >> 2 if change.executable else mode


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _finish(transaction: Transaction, roots: Roots) -> None:
    """Apply a committed transaction; if that fails, roll it back and raise MlspecError."""
    failure: OSError | MlspecError | None = None
    try:
        try:
            transaction.forward()
        except (OSError, MlspecError) as error:
            failure = error
            transaction.back()
        transaction.close()
    except (OSError, MlspecError) as error:
        raise _failed(error, roots, _HALF) from None
    if failure is not None:
        raise _failed(failure, roots) from None


def _failed(error: OSError | MlspecError, roots: Roots, state: str = _WHOLE) -> MlspecError:
    """The error with its help: the fix, and the state of the files."""
    if isinstance(error, MlspecError):
        return MlspecError(error.message, help="\n".join(filter(None, (error.help, state))))
    name = next((n for n in (error.filename2, error.filename) if isinstance(n, str)), "")
    shown = os.path.relpath(name, roots.project) if os.path.isabs(name) else name
    message = f"cannot write the generated files: {error.strerror}" + (f" ({shown})" if shown else "")
    reason = _REASONS.get(error.errno or 0, "")
    return MlspecError(message, help="\n".join(filter(None, (reason, state))))


def _digest(text: str | None) -> str | None:
    return None if text is None else digest(encoded(text))
