"""What a training started from, for the trackers: the commit, and digests of its files."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from mlspec.job import Job
from mlspec.watch import paused


def lineage(job: Job) -> dict[str, str | bool | None]:
    """The lineage of the model: the commit, and the SHA-256 of the splits and of `dvc.lock`."""
    files = {f"data/{name}": job.inputs / "data" / name for name in ("train.parquet", "valid.parquet", "schema.json")}
    files["dvc.lock"] = job.root / "dvc.lock"
    digests = {n: hashlib.sha256(path.read_bytes()).hexdigest() for n, path in files.items() if path.is_file()}
    return {"commit": _git(job.root, "rev-parse", "HEAD"), "changed": bool(_git(job.root, "status", "-s")), **digests}


def _git(root: Path, *arguments: str) -> str | None:
    try:
        with paused():  # git opens every file that changed
            done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
