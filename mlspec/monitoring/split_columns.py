"""Columns of a split as the reference reads them: texts, pixels of images, and evenly spread samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mlspec.records.schema import InputSchema

TRAIN, TEST, PREDICTIONS = "data/train.parquet", "data/test.parquet", "evaluate/predictions.parquet"
SAMPLE: Final = 2000
"""Texts of which the word hashes are kept, and images that are decoded."""
V = TypeVar("V", bytes, str)


def read_column(path: Path, name: str) -> pa.ChunkedArray:
    """One column of a Parquet file."""
    return pq.read_table(path, columns=[name])[name]


def some(values: Sequence[V]) -> list[V]:
    """At most SAMPLE values, evenly spread."""
    step = max(1, -(-len(values) // SAMPLE))
    return list(values[::step])


def present_texts(values: pa.ChunkedArray) -> Iterator[str]:
    """The texts that are not missing."""
    for chunk in values.drop_null().chunks:
        yield from chunk.to_pylist()


def pixel_moments(content: bytes, described: InputSchema) -> tuple[float, float]:
    """Mean and standard deviation of the pixels that the model reads, 0..1."""
    from mlspec.runtime.preprocess.image import ImagePreprocess
    from mlspec.runtime.preprocess.picture import BACKGROUND

    preprocess = ImagePreprocess(
        {
            "kind": "image",
            "input": "",
            "raw": True,
            "mean": 0.0,
            "std": 1.0,
            "channels": described.channels or 3,
            "height": described.height or 1,
            "width": described.width or 1,
            "background": described.background or BACKGROUND,
        },
        Path(),
    )
    pixels = preprocess.pixels(content) / 255
    return float(pixels.mean(dtype=np.float64)), float(pixels.std(dtype=np.float64))
