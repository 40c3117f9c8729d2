"""`Dockerfile.lock` for `mlspec lock`: the base image of the spec with the digest that its registry has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlspec.docker.client import Docker, connected
from mlspec.errors import StageError
from mlspec.parts.package.base_image import lookup
from mlspec.parts.package.package_limits import default_base
from mlspec.run.locked_file import LockedFile, locked_file
from mlspec.sections.package import Package
from mlspec.source import dockerfile_lock
from mlspec.source.dockerfile_lock import PinnedBase
from mlspec.spec.project import Project


@dataclass(frozen=True)
class ImageLock:
    """Makes the file of one project. `now` is the day that is written beside a new digest."""

    project: Project
    root: Path
    now: datetime
    upgrade: bool = False
    docker: Callable[[], Docker] = connected

    def file(self) -> LockedFile | None:
        """The file; None without a base image to pin: no image, a digest in the spec, or a base that is in no registry.

        A pinned base is looked up only to upgrade it. Raises StageError without an engine, or where neither it nor the
        registry has the image.
        """
        if not self.base:
            return None
        bases = dict(self.project.surroundings.bases)
        if self.base not in bases or self.upgrade:
            digest = lookup(self.docker(), self.base, self.project.need(Package).docker.platform)
            if digest is None:
                return None
            if self.base not in bases or bases[self.base].digest != digest:
                bases[self.base] = PinnedBase(digest, self.now.date().isoformat())
        return locked_file(self.root, dockerfile_lock.FILE, dockerfile_lock.dump(bases), len(bases), "images")

    @property
    def base(self) -> str:
        """The base image without a digest of its own; "" where there is none."""
        package = self.project.get(Package)
        if package is None or package.zip is not None:
            return ""
        base = package.docker.base or default_base(package.docker)
        return "" if "@" in base else base

    @property
    def local(self) -> bool:
        """Whether the base was built on this machine and is in no registry, so that it has no digest."""
        try:
            details = self.docker().find(self.base)
        except StageError:
            return False
        return details is not None and not details.digests

    @property
    def missing(self) -> bool:
        """Whether the base image has no digest, neither in the spec nor in the file."""
        return bool(self.base) and self.base not in self.project.surroundings.bases
