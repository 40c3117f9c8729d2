"""The stage `fetch`: brings remote sources into the project, whole or not at all."""

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
    """Run the stage. A file appears at its place only when it is complete and has the digest that the spec asks."""
    data = job.need(DataSpec)
    for name, (address, path) in data.remotes.items():
        target = job.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if many(address):
            from mlspec.parts.data.s3 import folder

            _in_place(folder(address, _partial(target)), target)
            print(f"fetch: {sum(f.is_file() for f in target.rglob('*'))} files to {path}")
        else:
            digest = bring(address, target, data.digest(name))
            print(f"fetch: {target.stat().st_size:,} bytes to {path}, sha256 {digest}")


def _partial(target: Path) -> Path:
    """Where a download grows; nothing reads names that begin with a dot."""
    return target.with_name(f".{target.name}.part")


def bring(address: str, target: Path, expected: str | None, wait: Wait = time.sleep) -> str:
    """Put the file at `address` to `target`, in one step once it is complete; gives its SHA-256. Raises StageError."""
    partial = _partial(target)
    resumed = _whole(address, partial, wait)
    found = _digest(partial)
    if resumed and expected not in (None, found):
        partial.unlink()  # a server that names two files alike; from the start it is one of them
        _whole(address, partial, wait)
        found = _digest(partial)
    if expected not in (None, found):
        partial.unlink()
        raise StageError(
            f"{address} is not the file that the spec names: its sha256 is {found}",
            help="if the new contents are right, change data.sha256",
        )
    _in_place(partial, target)
    return found


def _whole(address: str, partial: Path, wait: Wait) -> bool:
    """Bring all of a file into `partial`; says whether some of it was there before."""
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
