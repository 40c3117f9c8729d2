"""Writes a starter project to a folder: all files or none. Existing files are never replaced."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from mlspec.errors import ConflictError, MlspecError, UsageError
from mlspec.render.environment import environment, templates_folder
from mlspec.spec.names import plain_name, suggest

STARTERS: Mapping[str, str] = MappingProxyType(
    {
        "digits": "Handwritten digits: 1,000 small images, ten classes.",
        "tabular": "Penguins: numbers, categories and missing values, three species.",
        "text": "Authorship: 3,000 sentences of three novelists; a transformer trained from scratch.",
        "custom": "Your own LightningModule and data function: a forecast of carbon dioxide.",
        "cola": "Grammatical acceptability: fine-tunes a pretrained model; downloads data and model.",
    }
)
"""Name and one line; each is a folder of `templates/init`. Files ending in `.j2` are rendered, others copied."""

YIELDING = frozenset({"README.md", ".gitignore"})
"""Files that a new repository often has: an existing one is kept."""

SCHEMA = "mlproject.schema.json"
"""The JSON Schema that the first line of a starter's spec refers to, for editors."""


@dataclass(frozen=True, slots=True)
class Started:
    """A new project: its folder, the created files, and existing files that differ from the starter's and were kept."""

    folder: Path
    name: str
    files: tuple[str, ...]
    kept: tuple[str, ...] = ()


def start(starter: str, folder: Path, name: str, schema: str) -> Started:
    """Write the files of `starter` to `folder` for a project called `name`; `schema` is the text of the JSON Schema.

    A file with the same content may exist, so that an interrupted start can be repeated; an existing README.md or
    .gitignore is kept. Raises UsageError for an unknown starter, ConflictError if another file would be replaced.
    """
    if starter not in STARTERS:
        raise UsageError(f"starter not found: {starter}", help=suggest(starter, STARTERS))
    return create(contents(starter, name) | {SCHEMA: schema.encode()}, folder, name)


def create(every: Mapping[str, bytes], folder: Path, name: str) -> Started:
    """Write the files of a new project to `folder`, by their POSIX path; raises like `start`."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file", help="name an empty or new folder")
    kept = tuple(p for p, text in every.items() if p in YIELDING and _other(folder / p, text))
    files = {path: text for path, text in every.items() if path not in kept}
    new = _new(files, folder)
    try:
        put({path: files[path] for path in new}, folder)
    except OSError as error:
        help = "fix the error, for example the permissions of the folder, then run the command again"
        raise MlspecError(f"cannot write the project to {folder}: {error.strerror}", help=help) from None
    return Started(folder, name, new, kept)


def contents(starter: str, name: str) -> dict[str, bytes]:
    """The content of every file of a starter by its POSIX path, in order."""
    root = templates_folder() / "init" / starter
    jinja = environment({})
    files: dict[str, bytes] = {}
    for file in sorted(root.rglob("*")):
        path = file.relative_to(root).as_posix()
        if not file.is_file() or "__pycache__" in path:
            continue
        if path.endswith(".j2"):
            text = jinja.get_template(f"init/{starter}/{path}").render(name=name)
            files[path.removesuffix(".j2")] = text.encode()
        else:
            files[path] = file.read_bytes()
    return files


def name_for(folder: Path, starter: str) -> str:
    """A project name from the folder's name, or the starter's name if the folder's has no ASCII letter or digit."""
    return plain_name(folder.resolve().name) or starter


def _new(files: Mapping[str, bytes], folder: Path) -> tuple[str, ...]:
    """The files that do not exist. Raises ConflictError if existing ones differ."""
    clashes = [path for path, content in files.items() if _clashes(folder, path, content)]
    if clashes:
        named = ", ".join(clashes[:5]) + (f" and {len(clashes) - 5} more" if len(clashes) > 5 else "")
        raise ConflictError(
            f"these files exist in {folder} and would be replaced: {named}",
            paths=clashes,
            help="name another folder, or move these files; nothing was written",
        )
    return tuple(path for path in files if not (folder / path).exists())


def _clashes(folder: Path, path: str, content: bytes) -> bool:
    """Whether the path, or a folder above it, exists as something else."""
    steps = path.split("/")
    for depth in range(1, len(steps)):
        above = folder.joinpath(*steps[:depth])
        # A link may lead out of the project.
        if above.is_symlink() or (above.exists() and not above.is_dir()):
            return True
    target = folder / path
    if target.is_symlink():
        return True
    return target.exists() and (not target.is_file() or target.read_bytes() != content)


def _other(file: Path, content: bytes) -> bool:
    return file.is_file() and not file.is_symlink() and file.read_bytes() != content


def put(files: Mapping[str, bytes], folder: Path) -> None:
    """Write all files to a staging folder first, then move them; roll back if that fails."""
    existed = next(above for above in (folder, *folder.parents) if above.exists())
    staged = folder / ".mlspec-init"
    created: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(staged, ignore_errors=True)  # left by a killed process
        staged.mkdir()
        for path, content in files.items():
            (staged / path).parent.mkdir(parents=True, exist_ok=True)
            (staged / path).write_bytes(content)
        for path in files:
            _make_folders(folder, path, created)
            if os.path.lexists(folder / path):
                raise FileExistsError(errno.EEXIST, f"{path} was created by another process")
            (staged / path).rename(folder / path)
            created.append(folder / path)
    except BaseException:
        roll_back(created, staged, folder, existed)
        raise
    shutil.rmtree(staged, ignore_errors=True)


def roll_back(created: Sequence[Path], staged: Path, folder: Path, existed: Path) -> None:
    """Remove the created files, and the created folders that are empty."""
    for thing in reversed(created):
        with suppress(OSError):
            thing.rmdir() if thing.is_dir() else thing.unlink()
    shutil.rmtree(staged, ignore_errors=True)
    while folder != existed:
        with suppress(OSError):
            folder.rmdir()
        folder = folder.parent


def _make_folders(folder: Path, path: str, created: list[Path]) -> None:
    """Create the missing folders above `path`, and append each to `created`."""
    for above in reversed((folder / path).parents):
        if not above.exists():
            above.mkdir()
            created.append(above)
