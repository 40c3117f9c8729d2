"""What is on disk at the path of a generated file. Read-only; never follows a link out of its root folders."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from mlspec.errors import MlspecError
from mlspec.workspace.operations import SYSTEM, Operations
from mlspec.workspace.roots import Key, Roots


class DiskEntry(NamedTuple):
    """A file with its text, nothing, or something that blocks the path (`reason`)."""

    kind: Literal["file", "missing", "blocked"]
    text: str | None = None
    executable: bool = False
    reason: str = ""


_HELP = {
    errno.ENAMETOOLONG: "shorten the name in the spec that the path contains",
    errno.EACCES: "fix the permissions of the file",
    errno.EPERM: "fix the permissions of the file",
}


class UnreadableError(MlspecError):
    """A path cannot be read; `number` is the errno."""

    def __init__(self, error: OSError, place: str, what: str) -> None:
        self.number, self.place = error.errno or 0, place
        help = _HELP.get(self.number, "fix the error of the disk, then run the command again")
        super().__init__(f"{what}: {error.strerror}", help=help)


MISSING = DiskEntry("missing")


@dataclass(slots=True)
class Disk:
    """Reads paths below the roots. Caches what it knows of folders, so that a thousand files are cheap."""

    roots: Roots
    operations: Operations = SYSTEM
    _folders: dict[str, str | None] = field(default_factory=dict)

    def look(self, key: Key) -> DiskEntry:
        """The entry at `key`. Raises MlspecError if it cannot be read."""
        anchor, path = key
        root = self.roots.folder(anchor)
        parent, _, _ = path.rpartition("/")
        obstacle = self._obstacle(root, parent) if parent else ""
        if obstacle is None:
            return MISSING
        if obstacle:
            return DiskEntry("blocked", reason=obstacle)
        return _look(f"{root}/{path}", self.operations)

    def missing_folders(self, key: Key) -> list[Key]:
        """The folders above `key` that do not exist, outermost first."""
        steps = key[1].split("/")[:-1]
        above: list[Key] = [(key[0], "/".join(steps[: n + 1])) for n in range(len(steps))]
        return [folder for folder in above if self.obstacle(folder) is None]

    def obstacle(self, folder: Key) -> str | None:
        """Why nothing can be written below `folder`; `""` if it can, None if the folder does not exist."""
        return self._obstacle(self.roots.folder(folder[0]), folder[1])

    def _obstacle(self, root: str, folder: str) -> str | None:
        place = f"{root}/{folder}"
        if place in self._folders:
            return self._folders[place]
        parent, _, _ = folder.rpartition("/")
        obstacle = self._obstacle(root, parent) if parent else ""
        if obstacle == "":
            obstacle = _folder_obstacle(place, folder, self.operations)
        self._folders[place] = obstacle
        return obstacle


def _folder_obstacle(place: str, folder: str, operations: Operations) -> str | None:
    try:
        mode = operations.lstat(place).st_mode
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnreadableError(error, place, f"cannot read {folder}") from None
    if stat.S_ISLNK(mode):
        return f"{folder} is a symbolic link, and mlspec does not write through links"
    return "" if stat.S_ISDIR(mode) else f"{folder} is a file, not a folder"


def _look(place: str, operations: Operations) -> DiskEntry:
    try:
        descriptor = operations.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return MISSING
    except OSError as error:
        if os.path.islink(place):
            return DiskEntry("blocked", reason="is a symbolic link")
        raise UnreadableError(error, place, f"cannot read {place}") from None
    try:
        facts = operations.fstat(descriptor)
        if stat.S_ISDIR(facts.st_mode):
            return DiskEntry("blocked", reason="is a folder")
        if not stat.S_ISREG(facts.st_mode):
            return DiskEntry("blocked", reason="is not a regular file")
        raw = operations.contents(descriptor, facts.st_size)
    except OSError as error:
        raise UnreadableError(error, place, f"cannot read {place}") from None
    finally:
        operations.close(descriptor)
    return DiskEntry("file", raw.decode("utf-8", "surrogateescape"), bool(facts.st_mode & stat.S_IXUSR))
