"""`Dockerfile.lock` for `mlspec lock`: the base image of the spec, and the image that the workflows take AWS's Lambda
emulator from, each with the digest that its registry has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from mlspec.docker.client import Docker, connected
from mlspec.errors import StageError
from mlspec.parts.ci.release_workflow import emulator_image
from mlspec.parts.package.base_image import lookup
from mlspec.parts.package.package_limits import default_base
from mlspec.run.locked_file import LockedFile, locked_file
from mlspec.sections.package import Package
from mlspec.source import dockerfile_lock
from mlspec.source.dockerfile_lock import PinnedBase
from mlspec.spec.project import Project


@dataclass(frozen=True)
class LockedImages:
    """`file` is None where nothing is pinned; `failures` are the images whose digest could not be looked up."""

    file: LockedFile | None
    failures: Mapping[str, StageError] = field(default_factory=dict)


@dataclass(frozen=True)
class ImageLock:
    """Makes the file of one project. `now` is the day that is written beside a new digest."""

    project: Project
    root: Path
    now: datetime
    upgrade: bool = False
    docker: Callable[[], Docker] = connected

    def locked(self) -> LockedImages:
        """The file, with every image whose digest is known or was found.

        A pinned image is looked up only to upgrade it. One that was built on this machine, and is in no registry, has
        no digest and stays out.
        """
        if not self.images:
            return LockedImages(None)
        bases, failures = dict(self.project.surroundings.bases), dict[str, StageError]()
        for image in self.images:
            if image in bases and not self.upgrade:
                continue
            try:
                digest = lookup(self.docker(), image, self._platform)
            except StageError as error:
                failures[image] = error
                continue
            if digest is not None and (image not in bases or bases[image].digest != digest):
                bases[image] = PinnedBase(digest, self.now.date().isoformat())
        if not bases.keys() & {*self.images}:
            return LockedImages(None, failures)
        text = dockerfile_lock.dump(bases)
        return LockedImages(locked_file(self.root, dockerfile_lock.FILE, text, len(bases), "images"), failures)

    @property
    def images(self) -> tuple[str, ...]:
        """The images to pin: those of the spec without a digest of their own."""
        return tuple(image for image in (self.base, emulator_image(self.project)) if image)

    @property
    def base(self) -> str:
        """The base image without a digest of its own; "" where there is none."""
        package = self.project.get(Package)
        if package is None or package.zip is not None:
            return ""
        base = package.docker.base or default_base(package.docker)
        return "" if "@" in base else base

    @property
    def missing(self) -> tuple[str, ...]:
        """The images that are not pinned yet and could be: those that a registry may have."""
        unknown = [image for image in self.images if image not in self.project.surroundings.bases]
        return tuple(image for image in unknown if not self._local(image))

    @property
    def _platform(self) -> str:
        return self.project.need(Package).docker.platform

    def _local(self, image: str) -> bool:
        """Whether it was built on this machine and is in no registry, so that it has no digest."""
        try:
            details = self.docker().find(image)
        except StageError:
            return False
        return details is not None and not details.digests
