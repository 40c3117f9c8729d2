"""What a training started from, for the trackers: the commit, and digests of its files."""

from __future__ import annotations

import hashlib

from mlspec.job import Job
from mlspec.records.git_commit import read_commit
from mlspec.watch import paused


def lineage(job: Job) -> dict[str, str | bool | None]:
    """The lineage of the model: the commit, and the SHA-256 of the splits and of `dvc.lock`."""
    files = {f"data/{name}": job.inputs / "data" / name for name in ("train.parquet", "valid.parquet", "schema.json")}
    files["dvc.lock"] = job.root / "dvc.lock"
    digests = {n: hashlib.sha256(path.read_bytes()).hexdigest() for n, path in files.items() if path.is_file()}
    with paused():  # git opens every file that changed
        commit = read_commit(job.root)
    return {"commit": commit.id if commit else None, "changed": commit is not None and commit.dirty, **digests}
