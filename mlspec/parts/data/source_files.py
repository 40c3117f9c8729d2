"""A path, folder or glob to its files, sorted, with symbolic links followed; and the files that were ignored."""

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
"""Maximum number of names or extensions in a message."""
_BOOKKEEPING = (".gitignore", ".gitkeep", ".gitattributes", ".dvcignore", ".keep")


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """The files of a source, sorted by name, and the decisions about ignored files."""

    files: tuple[Path, ...]
    decisions: tuple[Decision, ...] = ()

    def names(self, root: Path) -> list[str]:
        """The paths relative to the project root."""
        return [file.relative_to(root).as_posix() for file in self.files]


def files(root: Path, source: str, inputs: Collection[str] = ()) -> SourceFiles:
    """The files of a path, folder or glob in the project.

    `inputs` are the dependencies of the stage: a link to a folder inside one of them is refused, because DVC would not
    notice changes of its target. Raises StageError if no file matches, and for a file or folder that cannot be read.
    """
    links = Links(root, inputs)
    matches = _matches(root, source, links)
    below = [file for match in matches for file in sorted(_below(match, links))]
    unique = list(dict.fromkeys(below))
    _refuse_unpulled(root, source, unique)
    base = root / addresses.folder(source) if source not in _literal(root, source) else root / source
    hidden = [file for file in unique if _hidden(file, base)]
    visible = [file for file in unique if not _hidden(file, base) and file.suffix != ".dvc"]
    if not visible:
        raise StageError(f"no data found at {source}", help=_missing(root, source))
    for file in visible:
        _refuse_name(root, file)
    unread = [file for file in hidden if file.name not in _BOOKKEEPING]
    decisions = (
        [Decision("files", f"{plural(len(unread), 'hidden file')} not read: {endings(unread)}")] if unread else []
    )
    return SourceFiles(tuple(visible), (*decisions, *links.decisions()))


def tables(data: DataSpec, root: Path, source: str) -> SourceFiles:
    """The table files of a source; other files are ignored if at least one has the extension of a table.

    Raises StageError for a source with several table formats.
    """
    source_files = files(root, source, tuple(watched(data)))
    if len(source_files.files) == 1:
        return source_files
    kinds: dict[str, list[Path]] = {}
    for file in source_files.files:
        kinds.setdefault(kind_of(file.name), []).append(file)
    other = kinds.pop("", [])
    if len(kinds) > 1:
        reading = ", ".join(f"{plural(len(paths), 'file')} of {kind}" for kind, paths in sorted(kinds.items()))
        help = "restrict data.source to one format, for example with a pattern such as `DIR/*.csv`"
        raise StageError(f"{source} contains several file formats: {reading}", help=help, code="mixed-files")
    if not kinds or not other:
        return source_files
    reading = f"{len(other)} of {plural(len(source_files.files), 'file')} not read: {endings(other)}"
    kept = tuple(file for file in source_files.files if file not in set(other))
    return SourceFiles(kept, (*source_files.decisions, Decision("files", reading, "data.source")))


def kind_of(name: str) -> str:
    """The table format of a file extension, without the one of compression; `""` if it is not a table."""
    stem, _, ending = name.lower().rpartition(".")
    if ending in PACKED:
        ending = stem.rpartition(".")[2]
    return ENDINGS.get(ending, "")


def plural(count: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def endings(paths: Iterable[Path]) -> str:
    """The extensions of files with their counts, the most frequent first; for a file without one its name."""
    counts = Counter(path.suffix.lower() or path.name for path in paths)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{printable(ending)} ({count})" for ending, count in ordered[:SHOWN])
    return shown + (f" and {len(ordered) - SHOWN} other extensions" if len(ordered) > SHOWN else "")


def listed(names: Sequence[str]) -> str:
    """The first few names."""
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(printable(name) for name in names[:SHOWN]) + rest


def printable(name: str) -> str:
    """A name on one line, with escapes for control characters and bytes that are not UTF-8."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in name)


def _literal(root: Path, source: str) -> list[str]:
    return [source] if os.path.lexists(root / source) else []


def _matches(root: Path, source: str, links: Links) -> list[Path]:
    literal = _literal(root, source)
    if not addresses.has_wildcard(source):
        return [root / path for path in literal]
    _readable_folders(root, source)
    if "**" in source and (root / addresses.folder(source)).is_dir():
        # Reports a loop of links before the glob follows it.
        for _ in _below(root / addresses.folder(source), links):
            pass
    matches = sorted(root / path for path in glob.glob(source, root_dir=root, recursive=True))  # noqa: PTH207 - `**` too
    if literal and any(match != root / source for match in matches):
        message = f"{source} is an existing path, and also a pattern that matches {len(matches)} others"
        help = f"for the path of that name: `source: '{glob.escape(source)}'`; otherwise rename it"
        raise StageError(message, help=help, code="file-or-pattern")
    other = sorted({root / path for path in glob.glob(_any_case(source), root_dir=root, recursive=True)} - {*matches})  # noqa: PTH207
    if other and matches and not literal:
        names = listed([path.relative_to(root).as_posix() for path in other])
        help = f"rename them, or match both: `source: '{_any_case(source)}'`"
        message = f"{plural(len(other), 'file')} would match {source} if upper and lower case were equal: {names}"
        raise StageError(message, help=help, code="ending-case")
    return [root / source] if literal else matches


def _any_case(source: str) -> str:
    """The pattern with an extension that matches in upper and lower case."""
    stem, dot, ending = source.rpartition(".")
    if not ending.isalnum():
        return source
    either = "".join(f"[{c.lower()}{c.upper()}]" if c.isalpha() else c for c in ending)
    return stem + dot + either if dot else source


def _readable_folders(root: Path, source: str) -> None:
    """Raise StageError for a parent folder that cannot be listed: the glob would skip it silently."""
    steps = source.split("/")
    for depth in range(1, len(steps)):
        for path in glob.glob("/".join(steps[:depth]), root_dir=root, recursive=True):  # noqa: PTH207
            if (root / path).is_dir() and not os.access(root / path, os.R_OK | os.X_OK):
                raise _unreadable(printable(path), "Permission denied")


def _below(path: Path, links: Links) -> Iterator[Path]:
    """All files below a folder, or the file itself. Raises StageError for a path that cannot be read."""
    links.follow(path)
    name = printable(path.relative_to(links.root).as_posix())
    try:
        kind = path.stat().st_mode
        if stat.S_ISREG(kind):
            yield path
            return
        if not stat.S_ISDIR(kind):
            raise StageError(
                f"{name} is not a regular file or folder", help="remove it, or set data.source to a pattern"
            )
        entries = [path / entry.name for entry in os.scandir(path)]
    except OSError as error:
        raise _unreadable(name, error.strerror or str(error)) from None
    for entry in entries:
        yield from _below(entry, links)


def _unreadable(name: str, why: str) -> StageError:
    return StageError(f"cannot read {name}: {why}", help="fix its permissions, or remove it from the data")


class Links:
    """Checks the symbolic links in the paths of files, each once."""

    def __init__(self, root: Path, watched: Collection[str]) -> None:
        self.root = root
        self._watched = [path.rstrip("/") for path in watched]
        self._seen: dict[Path, Path] = {}
        self._plain: set[Path] = set()

    def follow(self, path: Path) -> None:
        """Raise StageError for a link that is broken, leads to a parent folder, or hides changes from DVC."""
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
            help = "restore its target (`dvc checkout` if DVC tracks it), or remove the link"
            raise StageError(f"{shown} is a broken link to {printable(str(link.readlink()))}", help=help) from None
        if link.parent.resolve().is_relative_to(target):
            raise StageError(f"{shown} is a link to a folder that contains it, {target}", help="remove the link")
        if target.is_dir() and self._unwatched(name):
            message = f"{shown} is a link to a folder: DVC does not detect changes of its files"
            raise StageError(message, help=f"declare it as a dependency: `data: {{deps: [{name}]}}`")
        return target

    def _unwatched(self, name: str) -> bool:
        above = any(name.startswith(f"{path}/") for path in self._watched)
        return above and not any(path == name or path.startswith(f"{name}/") for path in self._watched)

    def decisions(self) -> tuple[Decision, ...]:
        """The first links whose target is outside the project."""
        inside = self.root.resolve()
        return tuple(
            Decision(
                "files",
                f"{printable(link.relative_to(self.root).as_posix())} links to a path outside the project: {target}",
            )
            for link, target in self._seen.items()
            if not target.is_relative_to(inside)
        )[:SHOWN]


def _hidden(file: Path, base: Path) -> bool:
    """Whether a path component below `base` begins with a dot."""
    steps = file.relative_to(base).parts if file.is_relative_to(base) else file.parts[-1:]
    return any(step.startswith(".") for step in steps)


def _refuse_unpulled(root: Path, source: str, files_of_source: Iterable[Path]) -> None:
    """Raise StageError if DVC tracks a file or folder of the source that is not in the workspace."""
    pointers = [root / path for path in glob.glob(f"{source}.dvc", root_dir=root, recursive=True)]  # noqa: PTH207
    for pointer in [*(file for file in files_of_source if file.suffix == ".dvc"), *pointers]:
        if not os.path.lexists(pointer.with_suffix("")):
            name = printable(pointer.relative_to(root).as_posix())
            raise StageError(
                f"{name.removesuffix('.dvc')} is tracked by DVC but missing from the workspace", help=f"dvc pull {name}"
            )


def _missing(root: Path, source: str) -> str:
    """The help for missing data: a parent folder may be tracked by DVC."""
    steps = addresses.folder(source).split("/")
    for depth in range(1, len(steps) + 1):
        pointer = "/".join(steps[:depth]) + ".dvc"
        if (root / pointer).is_file() and not (root / pointer.removesuffix(".dvc")).exists():
            return f"dvc pull {pointer}"
    return "add the files, run `dvc pull` if DVC tracks them, or change data.source"


def _refuse_name(root: Path, file: Path) -> None:
    try:
        file.relative_to(root).as_posix().encode()
    except UnicodeEncodeError:
        name = printable(file.relative_to(root).as_posix())
        raise StageError(f"the file name {name} is not valid UTF-8", help="rename the file") from None
