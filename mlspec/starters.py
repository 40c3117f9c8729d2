"""A starter project to files in a folder: all of them or none, and nothing that is there already is ever replaced."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from mlspec.errors import ConflictError, MlspecError, UsageError
from mlspec.render.environment import environment, templates_folder
from mlspec.spec.names import suggest

STARTERS: Mapping[str, str] = MappingProxyType(
    {
        "digits": "Handwritten digits: 1,000 small pictures, ten classes.",
        "tabular": "Penguins: numbers, categories and missing values, three species.",
        "text": "Who wrote it: 3,000 sentences of three novelists; a transformer from scratch.",
        "custom": "Your own LightningModule and data function: a forecast of carbon dioxide.",
        "cola": "Is it grammatical: fine-tunes a pretrained model; fetches data and model from the network.",
    }
)
"""Name and one line; each is a folder of `templates/init`. Files ending in `.j2` are rendered, others copied."""

YIELDING = frozenset({"README.md", ".gitignore"})
"""Files that a fresh repository often has, and that a project works without: what is there stays."""

SCHEMA = "mlproject.schema.json"
"""What the first line of a starter's spec names, so that an editor completes and checks without a network."""


@dataclass(frozen=True, slots=True)
class Started:
    """A project that was put in place: where, the files that were not there before, and those that stayed as they were
    although the starter has others."""

    folder: Path
    name: str
    files: tuple[str, ...]
    kept: tuple[str, ...] = ()


def start(starter: str, folder: Path, name: str, schema: str) -> Started:
    """Put the files of `starter` into `folder` for a project called `name`; `schema` is the text of the JSON Schema.

    A file of the same content may be there already, so an interrupted start can be repeated; a README.md and a
    .gitignore stay as they are. Raises UsageError for an unknown starter, ConflictError where another file would be
    replaced.
    """
    if starter not in STARTERS:
        raise UsageError(f"there is no starter `{starter}`", help=suggest(starter, STARTERS, "the starters are"))
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file", help="name a folder that is empty or does not exist")
    every = contents(starter, name) | {SCHEMA: schema.encode()}
    kept = tuple(p for p, text in every.items() if p in YIELDING and _other(folder / p, text))
    files = {path: text for path, text in every.items() if path not in kept}
    new = _new(files, folder)
    try:
        _put({path: files[path] for path in new}, folder)
    except OSError as error:
        raise MlspecError(f"the project cannot be written to {folder}: {error.strerror}") from None
    return Started(folder, name, new, kept)


def contents(starter: str, name: str) -> dict[str, bytes]:
    """Every file of a starter by its path, POSIX, in order."""
    root = templates_folder() / "init" / starter
    jinja = environment({})
    found: dict[str, bytes] = {}
    for file in sorted(root.rglob("*")):
        path = file.relative_to(root).as_posix()
        if not file.is_file() or "__pycache__" in path:
            continue
        if path.endswith(".j2"):
            text = jinja.get_template(f"init/{starter}/{path}").render(name=name)
            found[path.removesuffix(".j2")] = text.encode()
        else:
            found[path] = file.read_bytes()
    return found


def name_for(folder: Path, starter: str) -> str:
    """A project's name from its folder's, or the starter's where that has no usable letter."""
    words = re.findall(r"[a-z0-9]+", folder.resolve().name.lower())
    slug = "-".join(words)[:63].rstrip("-")
    return slug or starter


def _new(files: Mapping[str, bytes], folder: Path) -> tuple[str, ...]:
    """The files that are not there yet. Raises ConflictError for those that are there and differ."""
    clashes = [path for path, content in files.items() if _clashes(folder, path, content)]
    if clashes:
        named = ", ".join(clashes[:5]) + (f" and {len(clashes) - 5} more" if len(clashes) > 5 else "")
        raise ConflictError(
            f"these are in {folder} already and would be replaced: {named}",
            paths=clashes,
            help="nothing was written; name another folder, or move them away",
        )
    return tuple(path for path in files if not (folder / path).exists())


def _clashes(folder: Path, path: str, content: bytes) -> bool:
    """Whether something else stands at that path, or where a folder above it would be."""
    steps = path.split("/")
    for depth in range(1, len(steps)):
        above = folder.joinpath(*steps[:depth])
        # A link may lead out of the project: nothing is written through it.
        if above.is_symlink() or (above.exists() and not above.is_dir()):
            return True
    target = folder / path
    if target.is_symlink():
        return True
    return target.exists() and (not target.is_file() or target.read_bytes() != content)


def _other(file: Path, content: bytes) -> bool:
    return file.is_file() and not file.is_symlink() and file.read_bytes() != content


def _put(files: Mapping[str, bytes], folder: Path) -> None:
    """Write all files beside their places first, then bring them there; take back what was brought if that fails."""
    existed = next(above for above in (folder, *folder.parents) if above.exists())
    staged = folder / ".mlspec-init"
    made: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(staged, ignore_errors=True)  # of a start that was killed
        staged.mkdir()
        for path, content in files.items():
            (staged / path).parent.mkdir(parents=True, exist_ok=True)
            (staged / path).write_bytes(content)
        for path in files:
            _make_folders(folder, path, made)
            if os.path.lexists(folder / path):
                raise FileExistsError(errno.EEXIST, f"{path} has appeared meanwhile")
            (staged / path).rename(folder / path)
            made.append(folder / path)
    except BaseException:
        _take_back(made, staged, folder, existed)
        raise
    shutil.rmtree(staged, ignore_errors=True)


def _take_back(made: Sequence[Path], staged: Path, folder: Path, existed: Path) -> None:
    """Remove what was made, as far as nobody has put anything into it since."""
    for thing in reversed(made):
        with suppress(OSError):
            thing.rmdir() if thing.is_dir() else thing.unlink()
    shutil.rmtree(staged, ignore_errors=True)
    while folder != existed:
        with suppress(OSError):
            folder.rmdir()
        folder = folder.parent


def _make_folders(folder: Path, path: str, made: list[Path]) -> None:
    """Make the folders above `path` that are missing, and note each in `made`."""
    for above in reversed((folder / path).parents):
        if not above.exists():
            above.mkdir()
            made.append(above)
