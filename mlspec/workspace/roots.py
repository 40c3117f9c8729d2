"""The two folders that generated files lie in, and which paths below them may be ours. Touches no file's content."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

Anchor: TypeAlias = Literal["project", "repository"]
Key: TypeAlias = tuple[Anchor, str]
"""Whose file: below which folder, and its POSIX path there."""

STATE = ".mlspec"
"""The folder of mlspec's own state in a project; git ignores it."""
LOCK = "mlspec.lock"
_FORBIDDEN = {".git", STATE}
_OURS_ALONE = {LOCK, "mlproject.yaml"}


class Roots(NamedTuple):
    """The project's folder and the git repository's root around it (the same folder where there is no git)."""

    project: Path
    repository: Path

    def folder(self, anchor: Anchor) -> str:
        """The folder that paths with this anchor are relative to."""
        return str(self.project if anchor == "project" else self.repository)

    def target(self, key: Key) -> str:
        """The place of a file, as a path to open."""
        return os.path.join(self.folder(key[0]), key[1])

    def shown(self, key: Key) -> str:
        """The path as people write it in the project's folder: `../.github/x.yml` for one at the repository's root."""
        if key[0] == "project" or self.project == self.repository:
            return key[1]
        return os.path.relpath(self.target(key), self.project).replace(os.sep, "/")


def find_roots(project: Path) -> Roots:
    """The roots of the project in `project`: the nearest folder above with a `.git` is the repository."""
    project = project.absolute()
    found = next((folder for folder in (project, *project.parents) if os.path.exists(folder / ".git")), project)
    return Roots(project, found)


def fault(path: str) -> str:
    """Why `path` may not be a generated file's, as a sentence part; empty when it may."""
    steps = path.split("/")
    if path.startswith("/") or path[1:2] == ":":
        return "is absolute"
    if ".." in steps:
        return "leads out of the project"
    if not all(steps) or "." in steps or "\\" in path or any(ord(c) < 32 or ord(c) == 127 for c in path):
        return "is not a plain relative path"
    if _FORBIDDEN & {step.lower() for step in steps} or path.lower() in _OURS_ALONE:
        return "is never generated"
    return ""
