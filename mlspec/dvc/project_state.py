"""DVC's own state in a project: the command line, and what a kill in the middle of a write can leave behind.

DVC writes dvc.lock in place (dvc 3.67, utils/serialize), as it does its list of readers and writers (`busy.py`).
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

from mlspec.dvc import rwlock
from mlspec.dvc.staleness import LOCK, readable, yaml
from mlspec.dvc.tree import Tree
from mlspec.job import whole, write_text
from mlspec.plan.stage import Stage
from mlspec.source import reads
from mlspec.source.reads import covered

_COPY = ".mlspec/dvc.lock"


def command(stage: Stage, *, force: bool) -> list[str]:
    """What runs the stage: DVC, or the program itself where the stage changes the world outside the project."""
    if stage.effects:
        return stage.command.split()
    forced = ["--force"] if force else []
    return [sys.executable, "-m", "dvc", "repro", "--single-item", *forced, stage.name]


def remember(root: Path) -> None:
    """Keep a copy of a dvc.lock that is whole."""
    lock = root / LOCK
    if not lock.is_file() or not (root / _COPY).parent.is_dir():
        return
    with whole(root / _COPY) as partial:
        partial.write_bytes(lock.read_bytes())


def settle(root: Path, stage: Stage) -> None:
    """Add to a stage's entry in dvc.lock what it opened beyond its inputs of then, as `reads.lock` has it.

    The next build makes inputs of these files; without their digests DVC would run the stage once more for them.
    """
    lock, record = root / LOCK, root / reads.FILE
    if not (lock.is_file() and record.is_file()):
        return
    opened = reads.parse(record.read_text(encoding="utf-8", errors="replace")).get(stage.name, ())
    found = yaml(lock.read_text(encoding="utf-8", errors="replace"))
    entry = found.get("stages", {}).get(stage.name) if isinstance(found, dict) else None
    if not isinstance(entry, dict):
        return
    rows, tree = entry.setdefault("deps", []), Tree(root)
    known = [row["path"] for row in rows]
    new = [path for path in opened if not covered(path, known) and tree.exists(path)]
    if new:
        rows += [{"path": path, "hash": "md5", "md5": tree.digest(path)} for path in new]
        text = io.StringIO()
        _yaml().dump(found, text)
        write_text(lock, text.getvalue())


def mend(root: Path) -> None:
    """Take back a torn dvc.lock, and strike from DVC's list of readers and writers those that are no more."""
    lock, copy = root / LOCK, root / _COPY
    if lock.is_file() and not readable(lock.read_text(encoding="utf-8", errors="replace")):
        if copy.is_file():
            write_text(lock, copy.read_text(encoding="utf-8"))
        else:
            lock.unlink()
    rwlock.repair(root)


def _yaml() -> Any:
    """As DVC writes: https://github.com/iterative/dvc/blob/3.67.0/dvc/utils/serialize/_yaml.py."""
    from ruamel.yaml import YAML

    found = YAML()
    found.default_flow_style = False
    return found
