"""A path, folder or glob to the files that it names, through links, in one order; and what was left out, and why."""

from __future__ import annotations

import glob
import os
import stat
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlspec.errors import StageError
from mlspec.parts.data.input_paths import watched
from mlspec.records.decisions import Decision
from mlspec.sections import addresses
from mlspec.sections.data import ENDINGS, PACKED, DataSpec

SHOWN = 5
"""Names or endings that a decision or message lists."""
_BOOKKEEPING = (".gitignore", ".gitkeep", ".gitattributes", ".dvcignore", ".keep")


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """The files of a source in the order of their names, and what was decided about the others."""

    files: tuple[Path, ...]
    decisions: tuple[Decision, ...] = ()

    def names(self, root: Path) -> list[str]:
        """Their paths in the project."""
        return [file.relative_to(root).as_posix() for file in self.files]


def files(root: Path, source: str, inputs: Collection[str] = ()) -> SourceFiles:
    """The files of a path, folder or glob in the project.

    `inputs` are those of the stage: a link to a folder below one of them is refused, as changes behind it would
    not be noticed. Raises StageError where nothing matches, and for a file or folder that cannot be read.
    """
    links = Links(root, inputs)
    matches = _matches(root, source, links)
    below = [file for match in matches for file in sorted(_below(match, links))]
    unique = list(dict.fromkeys(below))
    _refuse_unpulled(root, source, unique)
    base = root / addresses.folder(source) if source not in _literal(root, source) else root / source
    hidden = [file for file in unique if _hidden(file, base)]
    wanted = [file for file in unique if not _hidden(file, base) and file.suffix != ".dvc"]
    if not wanted:
        raise StageError(f"there is no data at {source}", help=_missing(root, source))
    for file in wanted:
        _refuse_name(root, file)
    unread = [file for file in hidden if file.name not in _BOOKKEEPING]
    said = [Decision("files", f"{plural(len(unread), 'hidden file')} not read: {endings(unread)}")] if unread else []
    return SourceFiles(tuple(wanted), (*said, *links.decisions()))


def tables(data: DataSpec, root: Path, source: str) -> SourceFiles:
    """The files of a source of tables, without files of other endings where some have that of a table.

    Raises StageError for a source with several kinds of tables.
    """
    found = files(root, source, tuple(watched(data)))
    if len(found.files) == 1:
        return found
    kinds: dict[str, list[Path]] = {}
    for file in found.files:
        kinds.setdefault(kind_of(file.name), []).append(file)
    other = kinds.pop("", [])
    if len(kinds) > 1:
        said = ", ".join(f"{plural(len(paths), 'file')} of {kind}" for kind, paths in sorted(kinds.items()))
        help = "narrow data.source to one of them, for example with a pattern"
        raise StageError(f"{source} has several kinds of files: {said}", help=help, code="mixed-files")
    if not kinds or not other:
        return found
    said = f"{len(other)} of {plural(len(found.files), 'file')} not read: {endings(other)}"
    kept = tuple(file for file in found.files if file not in set(other))
    return SourceFiles(kept, (*found.decisions, Decision("files", said, "data.source")))


def kind_of(name: str) -> str:
    """The kind of table that a file's ending says, that of compression aside; `""` where it says none."""
    stem, _, ending = name.lower().rpartition(".")
    if ending in PACKED:
        ending = stem.rpartition(".")[2]
    return ENDINGS.get(ending, "")


def plural(count: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def endings(paths: Iterable[Path]) -> str:
    """The endings of files with their counts, the most frequent first; a file without one by its name."""
    counts = Counter(path.suffix.lower() or path.name for path in paths)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{printable(ending)} ({count})" for ending, count in ordered[:SHOWN])
    return shown + (f" and {len(ordered) - SHOWN} other endings" if len(ordered) > SHOWN else "")


def listed(names: Sequence[str]) -> str:
    """The first few names."""
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(printable(name) for name in names[:SHOWN]) + rest


def printable(name: str) -> str:
    """A name on one line: control characters and bytes that are not UTF-8 are written as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in name)


def _literal(root: Path, source: str) -> list[str]:
    return [source] if os.path.lexists(root / source) else []


def _matches(root: Path, source: str, links: Links) -> list[Path]:
    literal = _literal(root, source)
    if not addresses.has_wildcard(source):
        return [root / path for path in literal]
    _readable_folders(root, source)
    if "**" in source and (root / addresses.folder(source)).is_dir():
        # A loop of links is reported before the glob would follow it.
        for _ in _below(root / addresses.folder(source), links):
            pass
    matches = sorted(root / path for path in glob.glob(source, root_dir=root, recursive=True))  # noqa: PTH207 - `**` too
    if literal and any(match != root / source for match in matches):
        message = f"{source} is the name of a file or folder, and also a pattern that matches {len(matches)} others"
        help = f"for the file or folder of that name: `source: '{glob.escape(source)}'`; else rename it"
        raise StageError(message, help=help, code="file-or-pattern")
    other = sorted({root / path for path in glob.glob(_any_case(source), root_dir=root, recursive=True)} - {*matches})  # noqa: PTH207
    if other and matches and not literal:
        names = listed([path.relative_to(root).as_posix() for path in other])
        help = f"rename them, or match both: `source: '{_any_case(source)}'`"
        message = f"{plural(len(other), 'file')} match {source} except for upper or lower case: {names}"
        raise StageError(message, help=help, code="ending-case")
    return [root / source] if literal else matches


def _any_case(source: str) -> str:
    """The pattern with an ending that may be in upper or lower case."""
    stem, dot, ending = source.rpartition(".")
    if not ending.isalnum():
        return source
    either = "".join(f"[{c.lower()}{c.upper()}]" if c.isalpha() else c for c in ending)
    return stem + dot + either if dot else source


def _readable_folders(root: Path, source: str) -> None:
    """Raise StageError for a folder on the way that cannot be listed: the glob would pass over it in silence."""
    steps = source.split("/")
    for depth in range(1, len(steps)):
        for path in glob.glob("/".join(steps[:depth]), root_dir=root, recursive=True):  # noqa: PTH207
            if (root / path).is_dir() and not os.access(root / path, os.R_OK | os.X_OK):
                raise _unreadable(printable(path), "Permission denied")


def _below(path: Path, links: Links) -> Iterator[Path]:
    """The files of a folder, or the file itself."""
    links.follow(path)
    name = printable(path.relative_to(links.root).as_posix())
    try:
        kind = path.stat().st_mode
        if stat.S_ISREG(kind):
            yield path
            return
        if not stat.S_ISDIR(kind):
            raise StageError(
                f"{name} is not a regular file or folder", help="remove it, or name the files by a pattern"
            )
        entries = [path / entry.name for entry in os.scandir(path)]
    except OSError as error:
        raise _unreadable(name, error.strerror or str(error)) from None
    for entry in entries:
        yield from _below(entry, links)


def _unreadable(name: str, why: str) -> StageError:
    return StageError(f"{name} cannot be read: {why}", help="change its permissions, or remove it from the data")


class Links:
    """The links on the way to the files: each is checked once."""

    def __init__(self, root: Path, watched: Collection[str]) -> None:
        self.root = root
        self._watched = [path.rstrip("/") for path in watched]
        self._seen: dict[Path, Path] = {}
        self._plain: set[Path] = set()

    def follow(self, path: Path) -> None:
        """Raise StageError for a link that is broken, that leads to a folder above it, or whose changes nobody sees."""
        for step in [*reversed(path.relative_to(self.root).parents), path.relative_to(self.root)]:
            full = self.root / step
            if full in self._plain or full in self._seen:
                continue
            if full.is_symlink():
                self._seen[full] = self._target(full, step.as_posix())
            else:
                self._plain.add(full)

    def _target(self, link: Path, name: str) -> Path:
        shown = printable(name)
        try:
            target = link.resolve(strict=True)
        except (OSError, RuntimeError):
            help = "restore its target (`dvc checkout`, if DVC keeps it), or remove the link"
            raise StageError(f"{shown} is a broken link to {printable(str(link.readlink()))}", help=help) from None
        if link.parent.resolve().is_relative_to(target):
            raise StageError(f"{shown} is a link to a folder that contains it, {target}", help="remove the link")
        if target.is_dir() and self._unwatched(name):
            message = f"{shown} is a link to a folder inside of the data: DVC does not notice changes behind it"
            raise StageError(message, help=f"declare it: `data: {{deps: [{name}]}}`")
        return target

    def _unwatched(self, name: str) -> bool:
        above = any(name.startswith(f"{path}/") for path in self._watched)
        return above and not any(path == name or path.startswith(f"{name}/") for path in self._watched)

    def decisions(self) -> tuple[Decision, ...]:
        """Which links lead out of the project."""
        inside = self.root.resolve()
        return tuple(
            Decision(
                "files", f"{printable(link.relative_to(self.root).as_posix())} lies outside of the project: {target}"
            )
            for link, target in self._seen.items()
            if not target.is_relative_to(inside)
        )[:SHOWN]


def _hidden(file: Path, base: Path) -> bool:
    """Whether a step below the folder that the spec names begins with a dot."""
    steps = file.relative_to(base).parts if file.is_relative_to(base) else file.parts[-1:]
    return any(step.startswith(".") for step in steps)


def _refuse_unpulled(root: Path, source: str, found: Iterable[Path]) -> None:
    """Raise StageError where DVC tracks a file or folder that the source names, and it is not there."""
    pointers = [root / path for path in glob.glob(f"{source}.dvc", root_dir=root, recursive=True)]  # noqa: PTH207
    for pointer in [*(file for file in found if file.suffix == ".dvc"), *pointers]:
        if not os.path.lexists(pointer.with_suffix("")):
            name = printable(pointer.relative_to(root).as_posix())
            raise StageError(
                f"{name.removesuffix('.dvc')} is tracked by DVC, but it is not here", help=f"dvc pull {name}"
            )


def _missing(root: Path, source: str) -> str:
    """What to do where there is no data: a folder above it may be tracked by DVC."""
    steps = addresses.folder(source).split("/")
    for depth in range(1, len(steps) + 1):
        pointer = "/".join(steps[:depth]) + ".dvc"
        if (root / pointer).is_file() and not (root / pointer.removesuffix(".dvc")).exists():
            return f"dvc pull {pointer}"
    return "put it there; or `dvc pull`, if it is tracked by DVC; or change data.source"


def _refuse_name(root: Path, file: Path) -> None:
    try:
        file.relative_to(root).as_posix().encode()
    except UnicodeEncodeError:
        name = printable(file.relative_to(root).as_posix())
        raise StageError(f"the name of the file {name} is not UTF-8", help="rename it") from None
