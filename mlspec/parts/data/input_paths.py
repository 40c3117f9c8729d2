"""The files and folders that the stage `data` reads, which DVC therefore watches."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from mlspec.sections import addresses
from mlspec.sections.data import DataSpec


def watched(data: DataSpec) -> Iterator[str]:
    """Files, folders above a wildcard, folders of the images that a table names, and what the spec declares."""
    # Paths in an image column start from the folder of the file that they are in.
    beside = data.holds_paths and data.format.images is None
    for path in data.files.values():
        place = addresses.folder(path)
        above = place if addresses.has_wildcard(path) else posixpath.dirname(place)
        yield (above or place) if beside else place
    if data.holds_paths and data.format.images is not None:
        yield data.format.images
    yield from data.deps
