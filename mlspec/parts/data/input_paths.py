"""The files and folders that the stage `data` reads: its dependencies in dvc.yaml."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from mlspec.sections import addresses
from mlspec.sections.data import DataSpec


def watched(data: DataSpec) -> Iterator[str]:
    """Source files, folders above a wildcard, folders of images that a table refers to, and `data.deps`."""
    # Paths in an image column are relative to the folder of the table.
    beside = data.holds_paths and data.format.images is None
    for path in data.files.values():
        place = addresses.folder(path)
        above = place if addresses.has_wildcard(path) else posixpath.dirname(place)
        yield (above or place) if beside else place
    if data.holds_paths and data.format.images is not None:
        yield data.format.images
    if data.collected is not None:
        yield data.collected
    yield from data.deps
