"""A ChangeSet onto the disk, all of it or nothing, whenever the process dies. The only door for generated files.

All that is to happen is laid into `.mlspec/pending/ID/` and flushed. Then `commit.json` appears there: from that one
rename on the new tree is the truth, and whoever comes next (`recover`) brings it about; before it, the old tree is.
What is replaced or removed is put aside until the end, so that a failure (a missing right, a full disk) takes all back.
A file that someone edits in between is left as they made it, and the next build shows the edit.
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

_WHOLE = "no generated file has changed; fix this, then run `mlspec build` again"
_HALF = (
    "some generated files are new and others old: fix this, then run `mlspec build` again, "
    "which completes the change or rolls it back"
)
_REASONS = {
    errno.ENOSPC: "free disk space",
    errno.EDQUOT: "free disk space, or raise your quota",
    errno.EROFS: "make the file system writable",
    errno.EACCES: "fix the permissions",
    errno.EPERM: "fix the permissions",
    errno.ENAMETOOLONG: "shorten the name that it comes from in the spec, or that of the project's folder",
}


def write(changeset: ChangeSet, roots: Roots, operations: Operations = SYSTEM) -> None:
    """Bring the tree to what `changeset` says. Hold the project (`mutex.hold`) meanwhile.

    Raises ConflictError while there are conflicts, MlspecError when it cannot be done; the old tree is whole then.
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
    """Finish what a killed process had committed, and throw away what it had not. True when there was anything.

    What cannot be finished is rolled back. Every command that reads or writes generated files calls it first, holding
    the project. Raises MlspecError.
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
    """What is to happen. Raises MlspecError where the tree is no longer what was compared."""
    disk = Disk(roots, operations)
    moves: list[Move] = []
    for change in changeset.pending:
        if disk.look(change.key).text != change.before:
            raise MlspecError(f"{change.path} has changed while mlspec was running", help="run the command again")
        moves.append(Move(change.key, _digest(change.before), change.after, _mode(change, roots, operations)))
    lock, new_lock = disk.look(records.LOCK_KEY).text, dump(changeset.lock)
    if lock != new_lock:
        moves.append(Move(records.LOCK_KEY, _digest(lock), new_lock))
    made = {f for change in changeset.pending if change.after is not None for f in disk.missing_folders(change.key)}
    emptied = changeset.lock_before.folders - changeset.lock.folders
    return CommitRecord(tuple(moves), tuple(sorted(made)), tuple(sorted(emptied, reverse=True)))


def _mode(change: FileChange, roots: Roots, operations: Operations) -> int | None:
    """The file's own mode, with the right to execute where it is asked for; None for a new plain file."""
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
    """Bring a committed transaction about; where that fails, roll it back. Raises MlspecError then."""
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
    """What went wrong, what to do about it, and how the files are."""
    if isinstance(error, MlspecError):
        return MlspecError(error.message, help="\n".join(filter(None, (error.help, state))))
    name = next((n for n in (error.filename2, error.filename) if isinstance(n, str)), "")
    shown = os.path.relpath(name, roots.project) if os.path.isabs(name) else name
    message = f"the generated files cannot be written: {error.strerror}" + (f" ({shown})" if shown else "")
    reason = _REASONS.get(error.errno or 0, "")
    return MlspecError(message, help="\n".join(filter(None, (reason, state))))


def _digest(text: str | None) -> str | None:
    return None if text is None else digest(encoded(text))
