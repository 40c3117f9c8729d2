"""The two root folders of generated files, and the paths that are allowed below them. Reads no file's content."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

Anchor: TypeAlias = Literal["project", "repository"]
Key: TypeAlias = tuple[Anchor, str]
"""A file: its root folder, and its POSIX path below it."""

STATE = ".mlspec"
"""The folder of mlspec's state in a project; ignored by git."""
LOCK = "mlspec.lock"
_FORBIDDEN = {".git", STATE}
_OURS_ALONE = {LOCK, "mlproject.yaml"}


class Roots(NamedTuple):
    """The project folder and the root of its git repository (the project folder itself without git)."""

    project: Path
    repository: Path

    def folder(self, anchor: Anchor) -> str:
        """The folder that paths with this anchor are relative to."""
        return str(self.project if anchor == "project" else self.repository)

    def target(self, key: Key) -> str:
        """The absolute path of a file."""
        return os.path.join(self.folder(key[0]), key[1])

    def shown(self, key: Key) -> str:
        """The path relative to the project folder: `../.github/x.yml` for a file at the repository root."""
        if key[0] == "project" or self.project == self.repository:
            return key[1]
        return os.path.relpath(self.target(key), self.project).replace(os.sep, "/")


def find_roots(project: Path) -> Roots:
    """The roots of the project in `project`: the nearest folder above with a `.git` is the repository."""
    project = project.absolute()
    folders = (project, *project.parents)
    return Roots(project, next((folder for folder in folders if os.path.exists(folder / ".git")), project))


def fault(path: str) -> str:
    """Why `path` is not allowed for a generated file, as part of a sentence; `""` if it is."""
    steps = path.split("/")
    if path.startswith("/") or path[1:2] == ":":
        return "is absolute"
    if ".." in steps:
        return "is outside the project"
    if not all(steps) or "." in steps or "\\" in path or any(ord(c) < 32 or ord(c) == 127 for c in path):
        return "is not a plain relative path"
    if _FORBIDDEN & {step.lower() for step in steps} or path.lower() in _OURS_ALONE:
        return "is reserved"
    return ""
