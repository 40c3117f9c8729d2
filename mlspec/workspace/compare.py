"""Compares rendered files with the lock and the disk: one FileChange for each. Reads the disk, writes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from mlspec.errors import MlspecError
from mlspec.workspace.blocks import DamagedError, put, remove, split
from mlspec.workspace.changes import Action, ChangeSet, FileChange
from mlspec.workspace.disk import Disk, DiskEntry
from mlspec.workspace.lock import Lock, LockEntry, digest
from mlspec.workspace.roots import Key, Roots, fault

if TYPE_CHECKING:
    from mlspec.render.renderer import RenderedFile

Choice: TypeAlias = Literal["keep", "overwrite", ""]
"""The user's choice for a file on the command line."""
_DAMAGED = "the markers of the mlspec block are damaged"


class _Place(NamedTuple):
    """The facts about one path. `ours` is mlspec's text on disk: the whole file, or the inside of the block."""

    key: Key
    path: str
    rendered: RenderedFile | None
    entry: LockEntry | None
    disk: DiskEntry
    ours: str | None
    damaged: bool

    @property
    def block(self) -> bool:
        return (self.rendered.mode if self.rendered else self.entry.mode if self.entry else "file") == "block"


def compare(
    files: Sequence[RenderedFile],
    roots: Roots,
    lock: Lock,
    *,
    keep: frozenset[str] = frozenset(),
    overwrite: frozenset[str] = frozenset(),
    others: Collection[str] = (),
) -> ChangeSet:
    """What writing `files` would change. `keep` and `overwrite` are paths like `FileChange.path`.

    `others` are files of the repository that belong to another project: a copied lock does not own them.

    Raises MlspecError if two files have the same path, a path is unsafe, or a file cannot be read.
    """
    rendered = _by_key(files, roots)
    disk = Disk(roots)
    changes: list[FileChange] = []
    entries: dict[Key, LockEntry] = {}
    theirs: set[Key] = {("repository", path) for path in others}
    for key in sorted(rendered.keys() | lock.entries.keys() - theirs):
        path = roots.shown(key)
        place = _place(key, path, rendered.get(key), lock.entries.get(key), disk)
        choice: Choice = "keep" if path in keep else "overwrite" if path in overwrite else ""
        change = _decide(place, choice)
        if change is not None:
            changes.append(change)
        if (entry := _entry(place, change)) is not None:
            entries[key] = entry
    created = {f for c in changes if c.action == "create" for f in disk.missing_folders(c.key)}
    folders = (lock.folders | created) & _above(entries)
    return ChangeSet(tuple(sorted(changes, key=lambda c: c.path)), lock, Lock(entries, folders))


def _by_key(files: Iterable[RenderedFile], roots: Roots) -> Mapping[Key, RenderedFile]:
    rendered: dict[Key, RenderedFile] = {}
    owners: dict[str, RenderedFile] = {}
    for file in files:
        if reason := fault(file.path):
            message = f"the part {file.part} cannot generate {file.path!r}: the path {reason}"
            raise MlspecError(message, help="change the name in the spec that the path contains", code="unsafe-path")
        key: Key = (file.anchor, file.path)
        owner = owners.setdefault(roots.target(key), file)
        if owner is not file:
            raise _clash(f"{file.path} is generated twice: by {owner.part} and by {file.part}")
        rendered[key] = file
    for key, file in rendered.items():
        for folder in _parents(key):
            if other := owners.get(roots.target(folder)):
                raise _clash(f"{other.path} is generated as a file by {other.part} and as a folder by {file.part}")
    return rendered


def _clash(message: str) -> MlspecError:
    return MlspecError(message, help="rename one of the names in the spec that the paths contain")


def _place(key: Key, path: str, rendered: RenderedFile | None, entry: LockEntry | None, disk: Disk) -> _Place:
    if rendered is not None and entry is not None and rendered.mode != entry.mode:
        entry = None
    place = _Place(key, path, rendered, entry, disk.look(key), None, damaged=False)
    text = place.disk.text
    if text is None:
        return place
    try:
        return place._replace(ours=split(text).inner if place.block else text)
    except DamagedError:
        return place._replace(damaged=True)


def _decide(place: _Place, choice: Choice) -> FileChange | None:
    """The FileChange of one path; None if there is neither a file of mlspec nor one to write."""
    if place.rendered is None:
        return _decide_leftover(place, choice)
    kept = place.entry is not None and place.entry.kept
    if choice == "keep" or (kept and choice != "overwrite"):
        return _change(place, "keep", "kept by your choice")
    if obstacle := place.disk.reason or (_DAMAGED if place.damaged else ""):
        return _change(place, "conflict", obstacle, forced=False)
    if place.ours is None:
        return _change(place, "create", "")
    if _same(place.ours, place.rendered.text):
        if place.rendered.executable and not place.disk.executable:
            return _change(place, "update", "set executable")
        return _change(place, "unchanged", "")
    if choice == "overwrite":
        return _change(place, "update", "overwritten by your choice")
    return _decide_difference(place)


def _decide_difference(place: _Place) -> FileChange:
    """The FileChange of a file that differs: a conflict unless the text on disk is mlspec's."""
    if place.entry is None:
        what = "contains a block that is not in mlspec.lock" if place.block else "was not generated by mlspec"
        return _change(place, "conflict", what)
    if _edited(place):
        return _change(place, "conflict", "was edited manually")
    return _change(place, "update", "" if place.disk.text else "was empty")


def _edited(place: _Place) -> bool:
    """Whether the user edited the file. An empty file does not count: a power failure may truncate a file."""
    return bool(place.disk.text) and place.entry is not None and digest(place.ours or "") != place.entry.sha256


def _decide_leftover(place: _Place, choice: Choice) -> FileChange | None:
    """The FileChange of a path that is in the lock and no longer rendered."""
    assert place.entry is not None
    if place.damaged and choice != "keep":
        return _change(place, "conflict", _DAMAGED, forced=False)
    if place.entry.kept or choice == "keep":
        return _change(place, "keep", "no longer generated, now your file")
    if place.ours is None:
        return None
    if choice == "overwrite" or not _edited(place):
        return _change(place, "delete", "no longer generated")
    return _change(place, "conflict", "is no longer generated, and was edited manually")


def _change(place: _Place, action: Action, reason: str, *, forced: bool = True) -> FileChange:
    owner = place.rendered or place.entry
    assert owner is not None
    before = place.disk.text
    after = before if action in ("keep", "unchanged") or not forced else _after(place)
    executable = place.rendered is not None and place.rendered.executable
    return FileChange(place.path, action, owner.part, before, after, reason, place.key, executable, forced)


def _after(place: _Place) -> str | None:
    if place.rendered is None:
        rest = remove(place.disk.text or "") if place.block else ""
        return rest or None if place.entry is None or place.entry.created or not place.block else rest
    return put(place.disk.text or "", place.rendered.text) if place.block else place.rendered.text


def _entry(place: _Place, change: FileChange | None) -> LockEntry | None:
    """The new lock entry of the path; None if it is no longer mlspec's."""
    if change is not None and change.action == "conflict":
        return place.entry
    file = place.rendered
    if file is None:
        return None
    assert change is not None
    if change.action == "keep":
        sha256 = place.entry.sha256 if place.entry else digest(file.text)
        return LockEntry(place.key, sha256, file.part, file.mode, kept=True)
    created = place.block and (place.disk.kind == "missing" or (place.entry is not None and place.entry.created))
    return LockEntry(place.key, digest(file.text), file.part, file.mode, created=created)


def _same(one: str, other: str) -> bool:
    return one == other or one.replace("\r\n", "\n") == other.replace("\r\n", "\n")


def _parents(key: Key) -> list[Key]:
    steps = key[1].split("/")[:-1]
    return [(key[0], "/".join(steps[: n + 1])) for n in range(len(steps))]


def _above(entries: Iterable[Key]) -> frozenset[Key]:
    """Every folder above one of the entries."""
    return frozenset(folder for key in entries for folder in _parents(key))
