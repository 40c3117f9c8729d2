"""A lock as `mlspec lock` makes it, before it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlspec.job import write_text


@dataclass(frozen=True)
class LockedFile:
    """A lock: its path in the project, its text, whether it differs from the file on the disk, and what it counts."""

    path: str
    text: str
    changed: bool
    count: int
    kind: Literal["packages", "images"] = "packages"

    @property
    def counted(self) -> str:
        """The number of packages or images, for people."""
        return f"{self.count} {self.kind if self.count != 1 else self.kind.removesuffix('s')}"


def locked_file(
    root: Path, path: str, text: str, count: int, kind: Literal["packages", "images"] = "packages"
) -> LockedFile:
    """The lock, compared with the file on the disk."""
    place = root / path
    before = place.read_text(encoding="utf-8") if place.is_file() else None
    return LockedFile(path, text, before != text, count, kind)


def write(root: Path, files: Sequence[LockedFile]) -> None:
    """Write the locks that changed."""
    for file in files:
        if file.changed:
            (root / file.path).parent.mkdir(parents=True, exist_ok=True)
            write_text(root / file.path, file.text)
