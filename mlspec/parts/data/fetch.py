"""The stage `fetch`: downloads remote sources into the project; a file appears only when it is complete."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

from mlspec.errors import StageError
from mlspec.job import Job, swap
from mlspec.parts.data.download import Wait, download, note_of
from mlspec.sections.addresses import many
from mlspec.sections.data import DataSpec


def main(job: Job) -> None:
    """Run the stage. A file appears only when it is complete and has the SHA-256 that the spec requires."""
    data = job.need(DataSpec)
    for name, (address, path) in data.remotes.items():
        target = job.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if many(address):
            from mlspec.parts.data.s3 import folder

            _in_place(folder(address, _partial(target)), target)
            print(f"downloaded {sum(f.is_file() for f in target.rglob('*'))} files to {path}")
        else:
            digest = bring(address, target, data.digest(name))
            print(f"downloaded {target.stat().st_size:,} bytes to {path}, sha256 {digest}")


def _partial(target: Path) -> Path:
    """The path of an unfinished download; names that begin with a dot are never read as data."""
    return target.with_name(f".{target.name}.part")


def bring(address: str, target: Path, expected: str | None, wait: Wait = time.sleep) -> str:
    """Download `address` to `target`, which is replaced in one step at the end. Returns the SHA-256.

    Raises StageError if the download fails or the digest differs from `expected`.
    """
    partial = _partial(target)
    resumed = _download(address, partial, wait)
    digest = _digest(partial)
    if resumed and expected not in (None, digest):
        partial.unlink()  # the server changed the file but not its ETag: download it from the start
        _download(address, partial, wait)
        digest = _digest(partial)
    if expected not in (None, digest):
        partial.unlink()
        raise StageError(
            f"the sha256 of {address} is {digest}, and data.sha256 is {expected}",
            help="if the new file is correct, update data.sha256",
        )
    _in_place(partial, target)
    return digest


def _download(address: str, partial: Path, wait: Wait) -> bool:
    """Download a file to `partial`. Returns whether an earlier download was resumed."""
    if not address.startswith("s3://"):
        return download(address, partial, wait)
    from mlspec.parts.data.s3 import chunks

    note_of(partial).unlink(missing_ok=True)
    with partial.open("wb") as out:
        out.writelines(chunks(address))
        out.flush()
        os.fsync(out.fileno())
    return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _in_place(partial: Path, target: Path) -> None:
    if target.is_dir():
        swap(partial, target)
    else:
        partial.replace(target)
