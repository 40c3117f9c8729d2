"""Rendered files against the lock and the disk: one Change for each. Reads the disk, writes nothing."""

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

Wish: TypeAlias = Literal["keep", "overwrite", ""]
"""What the user says about a file on the command line."""
_DAMAGED = "the markers of mlspec's block are damaged"


class _Place(NamedTuple):
    """All that is known of one path. `ours` is the text there that a digest speaks of: in a block file, the block's."""

    key: Key
    path: str
    want: RenderedFile | None
    entry: LockEntry | None
    found: DiskEntry
    ours: str | None
    damaged: bool

    @property
    def block(self) -> bool:
        return (self.want.mode if self.want else self.entry.mode if self.entry else "file") == "block"


def compare(
    files: Sequence[RenderedFile],
    roots: Roots,
    lock: Lock,
    *,
    keep: frozenset[str] = frozenset(),
    overwrite: frozenset[str] = frozenset(),
    others: Collection[str] = (),
) -> ChangeSet:
    """What writing `files` would change. `keep` and `overwrite` hold paths as Change.path has them.

    `others` are files of the repository that belong to another project: a copied lock does not own them.

    Raises MlspecError where two files claim one place, a path is unsafe, or a file cannot be read.
    """
    wanted = _wanted(files, roots)
    disk = Disk(roots)
    changes: list[FileChange] = []
    entries: dict[Key, LockEntry] = {}
    theirs: set[Key] = {("repository", path) for path in others}
    for key in sorted(wanted.keys() | lock.entries.keys() - theirs):
        path = roots.shown(key)
        place = _place(key, path, wanted.get(key), lock.entries.get(key), disk)
        wish: Wish = "keep" if path in keep else "overwrite" if path in overwrite else ""
        change = _decide(place, wish)
        if change is not None:
            changes.append(change)
        if (entry := _entry(place, change)) is not None:
            entries[key] = entry
    made = {f for c in changes if c.action == "create" for f in disk.missing_folders(c.key)}
    folders = (lock.folders | made) & _above(entries)
    return ChangeSet(tuple(sorted(changes, key=lambda c: c.path)), lock, Lock(entries, folders))


def _wanted(files: Iterable[RenderedFile], roots: Roots) -> Mapping[Key, RenderedFile]:
    wanted: dict[Key, RenderedFile] = {}
    owners: dict[str, RenderedFile] = {}
    for file in files:
        if found := fault(file.path):
            raise MlspecError(f"the part {file.part} would write {file.path!r}, which {found}", code="unsafe-path")
        key: Key = (file.anchor, file.path)
        owner = owners.setdefault(roots.target(key), file)
        if owner is not file:
            raise MlspecError(f"{file.path} is made twice: by {owner.part} and by {file.part}")
        wanted[key] = file
    for key, file in wanted.items():
        for folder in _parents(key):
            if clash := owners.get(roots.target(folder)):
                raise MlspecError(f"{clash.path} is made as a file by {clash.part} and as a folder by {file.part}")
    return wanted


def _place(key: Key, path: str, want: RenderedFile | None, entry: LockEntry | None, disk: Disk) -> _Place:
    if want is not None and entry is not None and want.mode != entry.mode:
        entry = None
    place = _Place(key, path, want, entry, disk.look(key), None, damaged=False)
    text = place.found.text
    if text is None:
        return place
    try:
        return place._replace(ours=split(text).inner if place.block else text)
    except DamagedError:
        return place._replace(damaged=True)


def _decide(place: _Place, wish: Wish) -> FileChange | None:
    """The Change of one path; None where there is nothing of ours and nothing to be."""
    if place.want is None:
        return _decide_leftover(place, wish)
    kept = place.entry is not None and place.entry.kept
    if wish == "keep" or (kept and wish != "overwrite"):
        return _change(place, "keep", "kept as it is by your choice")
    if obstacle := place.found.reason or (_DAMAGED if place.damaged else ""):
        return _change(place, "conflict", obstacle, forced=False)
    if place.ours is None:
        return _change(place, "create", "")
    if _same(place.ours, place.want.text):
        if place.want.executable and not place.found.executable:
            return _change(place, "update", "made executable")
        return _change(place, "unchanged", "")
    if wish == "overwrite":
        return _change(place, "update", "overwritten by your choice")
    return _decide_difference(place)


def _decide_difference(place: _Place) -> FileChange:
    """Of a file that is not as it should be: its author decides."""
    if place.entry is None:
        what = "holds a block that mlspec.lock does not know" if place.block else "is a file that mlspec did not make"
        return _change(place, "conflict", what)
    if _edited(place):
        return _change(place, "conflict", "was edited by hand")
    return _change(place, "update", "" if place.found.text else "was empty")


def _edited(place: _Place) -> bool:
    """Whether a text of the user's stands there. An empty file holds none: it is what a power cut may leave of ours."""
    return bool(place.found.text) and place.entry is not None and digest(place.ours or "") != place.entry.sha256


def _decide_leftover(place: _Place, wish: Wish) -> FileChange | None:
    """Of a path that the lock knows and nothing renders any more."""
    assert place.entry is not None
    if place.damaged and wish != "keep":
        return _change(place, "conflict", _DAMAGED, forced=False)
    if place.entry.kept or wish == "keep":
        return _change(place, "keep", "no longer generated, and left to you")
    if place.ours is None:
        return None
    if wish == "overwrite" or not _edited(place):
        return _change(place, "delete", "no longer generated")
    return _change(place, "conflict", "is no longer generated, and was edited by hand")


def _change(place: _Place, action: Action, reason: str, *, forced: bool = True) -> FileChange:
    owner = place.want or place.entry
    assert owner is not None
    before = place.found.text
    after = before if action in ("keep", "unchanged") or not forced else _after(place)
    executable = place.want is not None and place.want.executable
    return FileChange(place.path, action, owner.part, before, after, reason, place.key, executable, forced)


def _after(place: _Place) -> str | None:
    if place.want is None:
        rest = remove(place.found.text or "") if place.block else ""
        return rest or None if place.entry is None or place.entry.made or not place.block else rest
    return put(place.found.text or "", place.want.text) if place.block else place.want.text


def _entry(place: _Place, change: FileChange | None) -> LockEntry | None:
    """What the lock will say of the path; None when it is no longer ours."""
    if change is not None and change.action == "conflict":
        return place.entry
    if place.want is None:
        return None
    assert change is not None
    if change.action == "keep":
        sha256 = place.entry.sha256 if place.entry else digest(place.want.text)
        return LockEntry(place.key, sha256, place.want.part, place.want.mode, kept=True)
    made = place.block and (place.found.kind == "missing" or (place.entry is not None and place.entry.made))
    return LockEntry(place.key, digest(place.want.text), place.want.part, place.want.mode, made=made)


def _same(one: str, other: str) -> bool:
    return one == other or one.replace("\r\n", "\n") == other.replace("\r\n", "\n")


def _parents(key: Key) -> list[Key]:
    steps = key[1].split("/")[:-1]
    return [(key[0], "/".join(steps[: n + 1])) for n in range(len(steps))]


def _above(entries: Iterable[Key]) -> frozenset[Key]:
    """Every folder above one of the entries."""
    return frozenset(folder for key in entries for folder in _parents(key))
