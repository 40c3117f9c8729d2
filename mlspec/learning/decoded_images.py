"""The pixels of a split's images, decoded once: later stages, processes and trainings read them from a file.

The file is in `.mlspec/scratch/pixels/`, as large as the pixels. Decoding a photograph takes a hundred times as long as
reading its pixels.
"""

from __future__ import annotations

import functools
import hashlib
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np
import PIL

from mlspec.job import whole
from mlspec.runtime.preprocess import image, picture
from mlspec.runtime.preprocess.base import Array
from mlspec.runtime.preprocess.image import ImagePreprocess

DISK_SHARE: Final = 1 / 10
"""The largest share of the free disk that the pixels of a split may take; others are decoded each time."""


def decoded(contents: Sequence[object], preprocess: ImagePreprocess, split: Path, scratch: Path) -> Array:
    """The images of a split's file, uint8 [N, H, W] or [N, H, W, 3]. Raises BadRow as `preprocess` does."""
    path = scratch / "pixels" / f"{split.stem}-{_key(preprocess, split)}.npy"
    kept = _read(path, len(contents))
    if kept is None:
        kept = preprocess.decoded(contents)
        with suppress(OSError):
            _write(path, kept)
    return kept


def _key(preprocess: ImagePreprocess, split: Path) -> str:
    """A digest of everything that the pixels depend on."""
    settings = preprocess.input, preprocess.size, preprocess.mode, preprocess.background
    digest = hashlib.sha256(repr((settings, PIL.__version__, _code())).encode())
    with split.open("rb") as file:
        digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


@functools.cache
def _code() -> str:
    """A digest of the code that decodes."""
    sources = [Path(str(module.__file__)).read_bytes() for module in (image, picture)]
    return hashlib.sha256(b"\0".join(sources)).hexdigest()


def _read(path: Path, count: int) -> Array | None:
    """The pixels in a file, mapped into memory; None without such a file."""
    with suppress(OSError, ValueError):
        kept = np.asarray(np.load(path, mmap_mode="r"))
        return kept if len(kept) == count else None
    return None


def _write(path: Path, pixels: Array) -> None:
    """Write the file, and remove those of the same split with other contents."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if pixels.nbytes > DISK_SHARE * shutil.disk_usage(path.parent).free:
        return
    with whole(path) as partial, partial.open("wb") as file:
        np.save(file, pixels)
    for other in path.parent.glob(f"{path.stem.rpartition('-')[0]}-*.npy"):
        if other != path:
            other.unlink(missing_ok=True)
