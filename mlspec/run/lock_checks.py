"""The locks that a spec needs, as `mlspec doctor` shows them: there, missing, or stale. Reads files only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from mlspec.run.capabilities import Capability
from mlspec.run.image_lock import ImageLock
from mlspec.run.needed_locks import needed_locks
from mlspec.source import dockerfile_lock, npm_lock
from mlspec.spec.project import Project


def lock_checks(root: Path, project: Project) -> Iterator[Capability]:
    """Each lock. Whether a newer release is there, only `mlspec lock --check --upgrade` knows."""
    for lock in needed_locks(project):
        there = (root / lock.path).is_file()
        fault = "" if there else f"missing: packages of {lock.what} are installed without hashes"
        if there and lock.path == npm_lock.FILE and project.surroundings.npm is not None:
            fault = project.surroundings.npm.fault(lock.packages[0])
        yield _capability(lock.path, fault)
    images = ImageLock(project, root, datetime.now(UTC))
    for image in images.images:
        pin = project.surroundings.bases.get(image)
        since = f"{image}, pinned{f' on {pin.day}' if pin.day else ''}" if pin is not None else ""
        until = "the next build of the image pins it" if image == images.base else "the workflows use its tag"
        yield _capability(dockerfile_lock.FILE, "" if pin is not None else f"{image} is not pinned: {until}", since)


def _capability(path: str, fault: str, detail: str = "there") -> Capability:
    return Capability(path, not fault, fault or detail, "mlspec lock" if fault else "")
