"""A ChangeSet onto the disk, all of it or nothing, whenever the process dies. The only door for generated files.

All that is to happen is laid into `.mlspec/pending/ID/` and flushed. Then `commit.json` appears there: from that one
rename on the new tree is the truth, and whoever comes next (`recover`) brings it about; before it, the old tree is.
What is replaced or removed is put aside until the end, so that a failure (a missing right, a full disk) takes all back.
A file that someone edits in between is left as they made it, and the next build shows the edit.
"""

from __future__ import annotations

import os
import time

from mlspec.errors import MlspecError
from mlspec.workspace import record as records
from mlspec.workspace.changes import Change, ChangeSet
from mlspec.workspace.disk import Disk
from mlspec.workspace.fingerprint import digest
from mlspec.workspace.lock import dump
from mlspec.workspace.roots import Roots
from mlspec.workspace.state import make_state_folder, pending_folder
from mlspec.workspace.transaction import Move, Record, Transaction, commit, discard, encoded

_WHOLE = "all files are as they were; mend this and run `mlspec build` again"
_HALF = "mend this and run `mlspec build` again: it first brings the files into one state"


def write(changeset: ChangeSet, roots: Roots) -> None:
    """Bring the tree to what `changeset` says. Hold the project (`mutex.hold`) meanwhile.

    Raises ConflictError while there are conflicts, MlspecError when it cannot be done; the old tree is whole then.
    """
    if conflict := changeset.conflict():
        raise conflict
    if not changeset.changed:
        return
    try:
        folder = _open_folder(roots)
    except OSError as error:
        raise _failed(error, roots) from None
    try:
        record = _stage(changeset, roots)
        commit(folder, records.dump(record))
    except OSError as error:
        discard(folder)
        raise _failed(error, roots) from None
    except MlspecError:
        discard(folder)
        raise
    _finish(Transaction(roots, folder, record), roots)


def recover(roots: Roots) -> bool:
    """Finish what a killed process had committed, and throw away what it had not. True when there was anything.

    Every command that reads or writes generated files calls it first, holding the project.
    """
    pending = pending_folder(roots)
    left = sorted(_list(pending))
    for name in left:
        folder = os.path.join(pending, name)
        record = records.read(folder)
        if record is None:
            discard(folder)
        else:
            _finish(Transaction(roots, folder, record), roots)
    return bool(left)


def unfinished(roots: Roots) -> bool:
    """Whether a killed process left something for `recover`."""
    return bool(_list(pending_folder(roots)))


def _list(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _open_folder(roots: Roots) -> str:
    make_state_folder(roots)
    pending = pending_folder(roots)
    os.makedirs(pending, exist_ok=True)
    folder = os.path.join(pending, f"{time.time_ns()}-{os.getpid()}")
    os.mkdir(folder)
    return folder


def _stage(changeset: ChangeSet, roots: Roots) -> Record:
    """What is to happen. Raises MlspecError where the tree is no longer what was compared."""
    disk = Disk(roots)
    moves: list[Move] = []
    for change in changeset.pending:
        if disk.look(change.key).text != change.before:
            raise MlspecError(f"{change.path} was changed while mlspec was at work", help="run it again")
        moves.append(Move(change.key, _digest(change.before), change.after, _mode(change, roots)))
    lock, new_lock = disk.look(records.LOCK_KEY).text, dump(changeset.lock)
    if lock != new_lock:
        moves.append(Move(records.LOCK_KEY, _digest(lock), new_lock))
    made = {f for change in changeset.pending if change.after is not None for f in disk.missing_folders(change.key)}
    emptied = changeset.lock_before.folders - changeset.lock.folders
    return Record(tuple(moves), tuple(sorted(made)), tuple(sorted(emptied, reverse=True)))


def _mode(change: Change, roots: Roots) -> int | None:
    """The file's own mode, with the right to execute where it is asked for; None for a new plain file."""
    if change.before is not None:
        mode = os.stat(roots.target(change.key), follow_symlinks=False).st_mode & 0o777
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
    """Bring a committed transaction about; where that fails, take it back. Raises MlspecError then."""
    failure: OSError | MlspecError | None = None
    try:
        try:
            transaction.forward()
        except (OSError, MlspecError) as error:
            failure = error
            transaction.back()
        transaction.close()
    except OSError as error:
        raise _failed(error, roots, _HALF) from None
    if isinstance(failure, OSError):
        raise _failed(failure, roots) from None
    if failure is not None:
        raise failure


def _failed(error: OSError, roots: Roots, help: str = _WHOLE) -> MlspecError:
    name = next((n for n in (error.filename2, error.filename) if isinstance(n, str)), "")
    shown = os.path.relpath(name, roots.project) if os.path.isabs(name) else name
    message = f"the generated files cannot be written: {error.strerror}" + (f" ({shown})" if shown else "")
    return MlspecError(message, help=help)


def _digest(text: str | None) -> str | None:
    return None if text is None else digest(encoded(text))
