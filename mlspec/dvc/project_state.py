"""DVC's state in a project: the command that runs a stage, and the repair of files that a kill left incomplete.

DVC writes dvc.lock in place (dvc 3.67, utils/serialize), and so its list of readers and writers (`rwlock.py`).
"""

from __future__ import annotations

import sys
from pathlib import Path

from mlspec.dvc import rwlock
from mlspec.dvc.dvc_lock import LOCK, add_inputs, is_whole, read_lock
from mlspec.dvc.tree import Tree
from mlspec.job import whole, write_text
from mlspec.plan.stage import Stage
from mlspec.source import reads
from mlspec.source.reads import covered

_COPY = ".mlspec/dvc.lock"


def command(stage: Stage, *, force: bool, pull: bool = False) -> list[str]:
    """The command that runs the stage: DVC, or the program itself for a stage with effects outside the project.

    With `pull` DVC takes outputs that its run-cache knows from the remote.
    """
    if stage.effects:
        return stage.command.split()
    options = [*(["--force"] if force else []), *(["--pull"] if pull else [])]
    return [sys.executable, "-m", "dvc", "repro", "--single-item", *options, stage.name]


def remember(root: Path) -> None:
    """Save a copy of dvc.lock, which is complete."""
    lock = root / LOCK
    if not lock.is_file() or not (root / _COPY).parent.is_dir():
        return
    with whole(root / _COPY) as partial:
        partial.write_bytes(lock.read_bytes())


def add_opened_files(root: Path, stage: Stage) -> None:
    """Add to a stage's entry in dvc.lock the files in `reads.lock`, which it opened in addition to its inputs.

    The next build declares these files as inputs; without their digests DVC would run the stage again.
    """
    lock, record = root / LOCK, root / reads.FILE
    if not (lock.is_file() and record.is_file()):
        return
    opened = reads.parse(record.read_text(encoding="utf-8", errors="replace")).get(stage.name, ())
    text = lock.read_text(encoding="utf-8", errors="replace")
    locked, tree = read_lock(text).get(stage.name), Tree(root)
    if locked is None:
        return
    new = [path for path in opened if not covered(path, list(locked.inputs)) and tree.exists(path)]
    if new:
        write_text(lock, add_inputs(text, stage.name, {path: tree.digest(path) for path in new}))


def repair(root: Path) -> None:
    """Restore an incomplete dvc.lock, and remove ended processes from DVC's list of readers and writers."""
    lock, copy = root / LOCK, root / _COPY
    if lock.is_file() and not is_whole(lock.read_text(encoding="utf-8", errors="replace")):
        if copy.is_file():
            write_text(lock, copy.read_text(encoding="utf-8"))
        else:
            lock.unlink()
    rwlock.repair(root)
