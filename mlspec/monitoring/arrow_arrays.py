"""Arrow arrays to NumPy and back, without `pa.array`, `pa.scalar` and `to_numpy`.

These import pandas where it is installed, which takes as long as to count half a million predictions.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlspec.monitoring.baseline.quantile_grid import Floats

Integers = npt.NDArray[np.int64]


def floats(values: pa.Array | pa.ChunkedArray) -> Floats:
    """Numbers; NaN where there is none."""
    array = one_chunk(values).cast(pa.float64())
    numbers = np.frombuffer(_data(array), np.float64)[array.offset :][: len(array)]
    return np.where(_present(array), numbers, np.nan) if array.null_count else numbers


def integers(values: pa.Array | pa.ChunkedArray) -> Integers:
    """Integers or times, of which none is null."""
    array = one_chunk(values).cast(pa.int64())
    return np.frombuffer(_data(array), np.int64)[array.offset :][: len(array)]


def encoded(values: pa.Array | pa.ChunkedArray) -> tuple[list[str], Integers]:
    """The distinct texts, and the place of each text among them; -1 where there is none."""
    array = one_chunk(values)
    encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    places = encoded.indices
    codes = np.frombuffer(_data(places), np.int32)[places.offset :][: len(places)].astype(np.int64)
    return encoded.dictionary.to_pylist(), np.where(_present(places), codes, -1) if places.null_count else codes


def to_arrow(values: Floats | Integers) -> pa.Array:
    """An array of the same numbers."""
    kind = pa.float64() if values.dtype == np.float64 else pa.int64()
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def mask_to_arrow(mask: npt.NDArray[np.bool_]) -> pa.Array:
    """An array of the same booleans."""
    bits = np.packbits(mask, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(mask), [None, pa.py_buffer(bits)])


def texts_to_arrow(texts: Sequence[str]) -> pa.Array:
    """An array of the texts."""
    parts = [text.encode() for text in texts]
    ends = np.fromiter(accumulate(map(len, parts), initial=0), np.int32, len(parts) + 1)
    return pa.Array.from_buffers(pa.string(), len(parts), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(parts))])


def one_chunk(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The values as one array."""
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _data(array: pa.Array) -> pa.Buffer | bytes:
    return array.buffers()[1] or b""


def _present(array: pa.Array) -> npt.NDArray[np.bool_]:
    bits = np.frombuffer(array.buffers()[0], np.uint8)
    return np.unpackbits(bits, bitorder="little")[array.offset :][: len(array)].astype(np.bool_)
