"""Images to digests of their pixels, so that the same image in two files of different formats is one input.

Every image is decoded once to check it, and a sample of its pixels is digested. Only images with equal samples in
different files are decoded again and compared in full: digests of all pixels would take as long as decoding them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from mlspec.runtime.preprocess.picture import BACKGROUND, picture
from mlspec.sections.data import DataSpec

if TYPE_CHECKING:
    from PIL import Image as Pillow

Origin = Callable[[str, int], tuple[str, int]]
"""The source of a row of a split, and the row's index there."""
Samples = Mapping[str, Mapping[str, Sequence[bytes]]]
"""For each source and image column the sample of each row's image."""
_SIDE = 32
"""Side length of a sample in pixels; smaller images are compared in full."""


def sample(image: Pillow.Image) -> bytes:
    """A digest of an image scaled to _SIDE pixels: equal for images with equal pixels, rarely for others."""
    from PIL import Image as Pillow

    return _digest(image.size, image.resize((_SIDE, _SIDE), Pillow.Resampling.NEAREST))


def compared(data: DataSpec, tables: Mapping[str, pa.Table], samples: Samples, origin: Origin) -> dict[str, pa.Table]:
    """The tables with a digest of the pixels in place of each image."""
    digested = dict(tables)
    for name in next(iter(samples.values())):
        behind = data.columns[name].background or BACKGROUND
        sampled = {
            split: [samples[source][name][row] for source, row in (origin(split, at) for at in range(table.num_rows))]
            for split, table in tables.items()
        }
        digests = _digests({split: table[name] for split, table in tables.items()}, sampled, behind)
        for split, table in digested.items():
            column = pa.array(digests[split], pa.binary())
            digested[split] = table.set_column(table.column_names.index(name), name, column)
    return digested


def _digests(
    columns: Mapping[str, pa.ChunkedArray], samples: Mapping[str, Sequence[bytes]], background: str
) -> dict[str, list[bytes]]:
    """For each row the sample of its image, or a digest of all pixels if another file has the same sample."""
    files = {
        split: [hashlib.sha256(value.as_buffer()).digest() for value in column] for split, column in columns.items()
    }
    sharing: dict[bytes, set[bytes]] = {}
    for split, kept in samples.items():
        for sampled, file in zip(kept, files[split], strict=True):
            sharing.setdefault(sampled, set()).add(file)
    whole: dict[bytes, bytes] = {}

    def digest(split: str, at: int, sampled: bytes, file: bytes) -> bytes:
        if len(sharing[sampled]) == 1:
            return sampled
        if file not in whole:
            image = picture(columns[split][at].as_py(), background).image
            whole[file] = _digest(image.size, image)
        return whole[file]

    return {
        split: [digest(split, at, *pair) for at, pair in enumerate(zip(kept, files[split], strict=True))]
        for split, kept in samples.items()
    }


def _digest(size: tuple[int, int], image: Pillow.Image) -> bytes:
    """A digest of the size and pixels of an image; grey images are converted to RGB."""
    colours = np.ascontiguousarray(image if image.mode == "RGB" else image.convert("RGB"))
    return hashlib.sha256(repr(size).encode() + hashlib.sha256(colours.data).digest()).digest()
