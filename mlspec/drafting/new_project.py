"""A file or folder of data to the files of a new project."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mlspec.drafting.image_draft import draft_images
from mlspec.drafting.spec_text import spec_text
from mlspec.drafting.table_draft import SpecDraft, draft_table
from mlspec.drafting.table_file import read_table
from mlspec.errors import UsageError
from mlspec.workspace.spec_file import SPEC

TABLES = (".csv", ".tsv", ".tab", ".txt")
_FOR_GIT = 5_000_000
"""Size in bytes up to which git keeps the data."""
_COPIED = 500_000_000
"""Size in bytes up to which a file outside of the project is copied into it."""

Choose = Callable[[Sequence[str]], str]
"""Returns the target, one of these columns."""


def draft_of(data: Path, choose: Choose) -> SpecDraft:
    """The draft for a table, or a folder of images. Raises UsageError if the data is neither."""
    if data.is_dir():
        return draft_images(data)
    if not data.is_file():
        near = sorted(file.name for file in data.parent.glob("*.[ct]sv")) if data.parent.is_dir() else []
        raise UsageError(f"file not found: {data}", help=f"{data.parent} has: {', '.join(near)}" if near else "")
    if data.suffix.lower() not in TABLES:
        help = "write it as csv, or write the spec yourself: docs/howto/own-data.md names every format of mlspec build"
        raise UsageError(f"cannot draft a spec from {data.name}: only from csv, tsv and folders of images", help=help)
    table = read_table(data)
    return draft_table(table, choose(list(table.cells)))


def files_of(draft: SpecDraft, data: Path, folder: Path, name: str) -> dict[str, bytes]:
    """The spec, and the data if it is outside of `folder`. Raises UsageError if it is too large to be copied."""
    size = data.stat().st_size if data.is_file() else sum(f.stat().st_size for f in data.rglob("*") if f.is_file())
    small = size <= _FOR_GIT and data.is_file()
    copies: dict[str, bytes] = {}
    if data.resolve().is_relative_to(folder.resolve()):
        source = data.resolve().relative_to(folder.resolve()).as_posix()
    elif data.is_file() and size <= _COPIED:
        source = f"data/{data.name}"
        copies = {source: data.read_bytes()}
    else:
        raise UsageError(
            f"{data} is outside of the project folder", help=f"move it to {folder / 'data'}, and name it there"
        )
    return {SPEC: spec_text(draft, name, source, small=small).encode(), **copies}
