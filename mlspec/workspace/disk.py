"""What stands on the disk at a generated file's place. Reads; never follows a link out of the folders it is given."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from mlspec.errors import MlspecError
from mlspec.workspace.roots import Key, Roots


class Found(NamedTuple):
    """A file with its text, nothing, or something that is in the way (`reason` says what)."""

    kind: Literal["file", "missing", "blocked"]
    text: str | None = None
    executable: bool = False
    reason: str = ""


MISSING = Found("missing")


@dataclass(slots=True)
class Disk:
    """Looks at places below the roots; what it has learnt of folders it keeps, so that a thousand files stay cheap."""

    roots: Roots
    _folders: dict[str, str | None] = field(default_factory=dict)

    def look(self, key: Key) -> Found:
        """What stands at `key`. Raises MlspecError where it cannot be read."""
        anchor, path = key
        root = self.roots.folder(anchor)
        parent, _, _ = path.rpartition("/")
        obstacle = self._obstacle(root, parent) if parent else ""
        if obstacle is None:
            return MISSING
        if obstacle:
            return Found("blocked", reason=obstacle)
        return _look(f"{root}/{path}")

    def missing_folders(self, key: Key) -> list[Key]:
        """The folders above `key` that are not there, outermost first."""
        steps = key[1].split("/")[:-1]
        above: list[Key] = [(key[0], "/".join(steps[: n + 1])) for n in range(len(steps))]
        return [folder for folder in above if self.obstacle(folder) is None]

    def obstacle(self, folder: Key) -> str | None:
        """Why nothing can be written below `folder`: empty where it can, None where the folder is not there."""
        return self._obstacle(self.roots.folder(folder[0]), folder[1])

    def _obstacle(self, root: str, folder: str) -> str | None:
        place = f"{root}/{folder}"
        if place in self._folders:
            return self._folders[place]
        parent, _, _ = folder.rpartition("/")
        found = self._obstacle(root, parent) if parent else ""
        if found == "":
            found = _folder_obstacle(place, folder)
        self._folders[place] = found
        return found


def _folder_obstacle(place: str, folder: str) -> str | None:
    try:
        mode = os.lstat(place).st_mode
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MlspecError(f"{folder} cannot be looked at: {error.strerror}") from None
    if stat.S_ISLNK(mode):
        return f"{folder} is a link, and mlspec writes through none"
    return "" if stat.S_ISDIR(mode) else f"{folder} is a file, and a folder is needed"


def _look(place: str) -> Found:
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return MISSING
    except OSError as error:
        if os.path.islink(place):
            return Found("blocked", reason="a link stands in its place")
        raise MlspecError(
            f"{place} cannot be read: {error.strerror}", help="give yourself the right to read it"
        ) from None
    try:
        facts = os.fstat(descriptor)
        if stat.S_ISDIR(facts.st_mode):
            return Found("blocked", reason="a folder stands in its place")
        if not stat.S_ISREG(facts.st_mode):
            return Found("blocked", reason="something that is not a file stands in its place")
        raw = _read(descriptor, facts.st_size)
    finally:
        os.close(descriptor)
    return Found("file", raw.decode("utf-8", "surrogateescape"), bool(facts.st_mode & stat.S_IXUSR))


def _read(descriptor: int, size: int) -> bytes:
    chunks = []
    while chunk := os.read(descriptor, max(size, 1) + 1):
        chunks.append(chunk)
    return b"".join(chunks)
