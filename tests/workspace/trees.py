"""Small trees of files for these tests, and what is in them, to the bit."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from mlspec.render.renderer import RenderedFile
from mlspec.workspace.changes import ChangeSet
from mlspec.workspace.compare import compare
from mlspec.workspace.lock import read_lock
from mlspec.workspace.operations import SYSTEM, Operations
from mlspec.workspace.roots import Roots
from mlspec.workspace.writer import write


def file(path: str, text: str = "text\n", *, executable: bool = False) -> RenderedFile:
    return RenderedFile(path, text, "toy", executable=executable)


def block(path: str, text: str = "ours\n") -> RenderedFile:
    return RenderedFile(path, text, "toy", mode="block")


def workflow(path: str, text: str = "text\n") -> RenderedFile:
    return RenderedFile(path, text, "ci", anchor="repository")


def changes(files: Sequence[RenderedFile], roots: Roots, keep: str = "", overwrite: str = "") -> ChangeSet:
    return compare(files, roots, read_lock(roots), keep=frozenset(keep.split()), overwrite=frozenset(overwrite.split()))


def build(
    files: Sequence[RenderedFile], roots: Roots, keep: str = "", overwrite: str = "", operations: Operations = SYSTEM
) -> ChangeSet:
    change_set = changes(files, roots, keep, overwrite)
    write(change_set, roots, operations)
    return change_set


def actions(change_set: ChangeSet) -> Mapping[str, str]:
    return {change.path: change.action for change in change_set.changes}


Content = tuple[Literal["file", "link", "folder", "other"], int, bytes]


def snapshot(root: Path) -> dict[str, Content]:
    """Every path below `root` with its kind, mode and bytes, but for mlspec's own state."""
    actual: dict[str, Content] = {}
    for folder, folders, files in os.walk(root):
        folders[:] = [f for f in folders if f not in (".mlspec", ".git")]
        for name in (*folders, *files):
            path = Path(folder, name)
            facts = path.lstat()
            if stat.S_ISLNK(facts.st_mode):
                content: Content = ("link", 0, str(path.readlink()).encode())
            elif stat.S_ISDIR(facts.st_mode):
                content = ("folder", stat.S_IMODE(facts.st_mode), b"")
            elif not stat.S_ISREG(facts.st_mode):
                content = ("other", 0, b"")
            else:
                content = ("file", stat.S_IMODE(facts.st_mode), path.read_bytes())
            actual[path.relative_to(root).as_posix()] = content
    return actual
