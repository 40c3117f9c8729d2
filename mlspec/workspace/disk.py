"""What stands on the disk at a generated file's place. Reads; never follows a link out of the folders it is given."""

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
    """A file with its text, nothing, or something that is in the way (`reason` says what)."""

    kind: Literal["file", "missing", "blocked"]
    text: str | None = None
    executable: bool = False
    reason: str = ""


_HELP = {
    errno.ENAMETOOLONG: "this file system does not hold names that long: shorten the name in the spec it comes from",
    errno.EACCES: "give yourself the right to read it",
    errno.EPERM: "give yourself the right to read it",
}


class UnreadableError(MlspecError):
    """What is at a place cannot be found out; `number` is that of the system's error."""

    def __init__(self, error: OSError, place: str, what: str) -> None:
        self.number, self.place = error.errno or 0, place
        help = _HELP.get(self.number, "make the disk readable, then run the command again")
        super().__init__(f"{what}: {error.strerror}", help=help)


MISSING = DiskEntry("missing")


@dataclass(slots=True)
class Disk:
    """Looks at places below the roots; what it has learnt of folders it keeps, so that a thousand files stay cheap."""

    roots: Roots
    operations: Operations = SYSTEM
    _folders: dict[str, str | None] = field(default_factory=dict)

    def look(self, key: Key) -> DiskEntry:
        """What stands at `key`. Raises MlspecError where it cannot be read."""
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
            found = _folder_obstacle(place, folder, self.operations)
        self._folders[place] = found
        return found


def _folder_obstacle(place: str, folder: str, operations: Operations) -> str | None:
    try:
        mode = operations.lstat(place).st_mode
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnreadableError(error, place, f"{folder} cannot be looked at") from None
    if stat.S_ISLNK(mode):
        return f"{folder} is a link, and mlspec writes through none"
    return "" if stat.S_ISDIR(mode) else f"{folder} is a file, and a folder is needed"


def _look(place: str, operations: Operations) -> DiskEntry:
    try:
        descriptor = operations.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return MISSING
    except OSError as error:
        if os.path.islink(place):
            return DiskEntry("blocked", reason="a link stands in its place")
        raise UnreadableError(error, place, f"{place} cannot be read") from None
    try:
        facts = operations.fstat(descriptor)
        if stat.S_ISDIR(facts.st_mode):
            return DiskEntry("blocked", reason="a folder stands in its place")
        if not stat.S_ISREG(facts.st_mode):
            return DiskEntry("blocked", reason="something that is not a file stands in its place")
        raw = operations.contents(descriptor, facts.st_size)
    except OSError as error:
        raise UnreadableError(error, place, f"{place} cannot be read") from None
    finally:
        operations.close(descriptor)
    return DiskEntry("file", raw.decode("utf-8", "surrogateescape"), bool(facts.st_mode & stat.S_IXUSR))
