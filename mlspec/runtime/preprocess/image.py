"""Images to standardised pixels."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlspec.runtime.errors import BadRow
from mlspec.runtime.preprocess.base import Array, Feature, Row, kind, stack, value

MAX_PIXELS = 50_000_000
"""Pillow's own guard against decompression bombs only warns at this size."""


class Image:
    """`pixels` float32 [B, C, H, W]: scaled to 0..1, then standardised with the training data's mean and spread."""

    names = ("pixels",)

    def __init__(self, settings: dict[str, Any], folder: Path) -> None:  # noqa: ARG002 - one form for all kinds
        self.input: str = settings["input"]
        self.size: tuple[int, int] = (settings["width"], settings["height"])
        self.mode = "L" if settings["channels"] == 1 else "RGB"
        self.channels: int = settings["channels"]
        self.mean: float = settings["mean"]
        self.std: float = settings["std"]

    def features(self, rows: Sequence[Row]) -> list[Feature]:
        """Pixels of each row: from a file's bytes, base64 of them, or nested lists of 0..255 [H, W] or [H, W, C]."""
        return [{"pixels": self.pixels(value(row, self.input, index), index)} for index, row in enumerate(rows)]

    def pixels(self, found: object, index: int = 0) -> Array:
        """Standardised float32 [C, H, W]."""
        from PIL import Image as Pillow

        with self._opened(found, index) as image:
            converted = image.convert(self.mode)
            if converted.size != self.size:
                converted = converted.resize(self.size, Pillow.Resampling.BILINEAR)
            array = np.asarray(converted, dtype=np.float32) / 255
        planes = array[None] if self.channels == 1 else array.transpose(2, 0, 1)
        return ((planes - self.mean) / self.std).astype(np.float32)

    def _opened(self, found: object, index: int) -> Any:
        from PIL import Image as Pillow

        if isinstance(found, list | tuple | np.ndarray):
            return Pillow.fromarray(self._array(found, index))
        raw = self._bytes(found, index)
        try:
            image = Pillow.open(io.BytesIO(raw))
            if image.width * image.height > MAX_PIXELS:
                raise BadRow(index, self.input, f"has more than {MAX_PIXELS:,} pixels")
            image.load()
        except (OSError, SyntaxError, ValueError, Pillow.DecompressionBombError) as error:
            if isinstance(error, BadRow):
                raise
            raise BadRow(index, self.input, "is not an image that can be read (PNG, JPEG, ...)") from None
        return image

    def _bytes(self, found: object, index: int) -> bytes:
        if isinstance(found, bytes):
            return found
        if not isinstance(found, str):
            raise BadRow(index, self.input, f"must be a base64 text or a list of pixel rows, not {kind(found)}")
        try:
            return base64.b64decode(found.partition("base64,")[2] or found, validate=True)
        except (binascii.Error, ValueError):
            raise BadRow(index, self.input, "is not base64") from None

    def _array(self, found: Any, index: int) -> Array:
        try:
            array = np.asarray(found, dtype=np.float64)
        except (TypeError, ValueError):
            raise BadRow(index, self.input, "pixel rows must be lists of numbers of equal length") from None
        if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3) or not array.size:
            raise BadRow(index, self.input, "pixels have the shape [height, width] or [height, width, 3]")
        if not np.isfinite(array).all() or array.min() < 0 or array.max() > 255:
            raise BadRow(index, self.input, "pixels are numbers from 0 to 255")
        return array.round().astype(np.uint8)

    def collate(self, features: Sequence[Feature]) -> dict[str, Array]:
        """Images below each other."""
        return {"pixels": stack(features, "pixels")}

    def length(self, feature: Feature) -> int:  # noqa: ARG002
        """Images are all of one size."""
        return 1
