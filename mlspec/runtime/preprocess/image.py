"""Images to standardised pixels."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspec.runtime.preprocess.base import Array, Feature, Row, kind, stack, value
from mlspec.runtime.preprocess.bundle_errors import BadRow
from mlspec.runtime.preprocess.picture import BACKGROUND, picture

if TYPE_CHECKING:
    from PIL import Image as Pillow


class ImagePreprocess:
    """`pixels` float32 [B, C, H, W]: scaled to 0..1, then standardised with the training data's mean and spread.

    Raw pixels are those of the picture, 0..255.
    """

    names = ("pixels",)

    def __init__(self, settings: dict[str, Any], folder: Path) -> None:  # noqa: ARG002 - one form for all kinds
        self.input: str = settings["input"]
        self.size: tuple[int, int] = (settings["width"], settings["height"])
        self.mode = "L" if settings["channels"] == 1 else "RGB"
        self.channels: int = settings["channels"]
        self.raw: bool = settings.get("raw", False)
        self.background: str = settings.get("background", BACKGROUND)
        self.mean: float = settings["mean"]
        self.std: float = settings["std"]

    def features(self, rows: Sequence[Row]) -> list[Feature]:
        """Pixels of each row: from a file's bytes, base64 of them, or nested lists of 0..255 [H, W] or [H, W, 3]."""
        return [{"pixels": self.pixels(value(row, self.input, index), index)} for index, row in enumerate(rows)]

    def pixels(self, found: object, index: int = 0) -> Array:
        """Float32 [C, H, W]."""
        from PIL import Image as Pillow

        try:
            image = _image(found, self.background).convert(self.mode)
        except ValueError as error:
            raise BadRow(index, self.input, str(error)) from None
        if image.size != self.size:
            image = image.resize(self.size, Pillow.Resampling.BILINEAR)
        array = np.asarray(image, dtype=np.float32)
        planes = array[None] if self.channels == 1 else array.transpose(2, 0, 1)
        return planes if self.raw else ((planes / 255 - self.mean) / self.std).astype(np.float32)

    def collate(self, features: Sequence[Feature]) -> dict[str, Array]:
        """Images below each other."""
        return {"pixels": stack(features, "pixels")}

    def length(self, feature: Feature) -> int:  # noqa: ARG002
        """Images are all of one size."""
        return 1


def opened(raw: bytes, background: str = BACKGROUND) -> Pillow.Image:
    """The image in a file's bytes: upright, grey or RGB, 8 bits a channel. Raises ValueError where there is none."""
    return picture(raw, background).image


def _image(found: object, background: str) -> Pillow.Image:
    from PIL import Image as Pillow

    if isinstance(found, list | tuple | np.ndarray):
        return Pillow.fromarray(_array(found))
    if isinstance(found, bytes | bytearray | memoryview):
        return opened(bytes(found), background)
    if not isinstance(found, str):
        raise ValueError(f"must be a base64 text or a list of pixel rows, not {kind(found)}")
    try:
        raw = base64.b64decode(found.partition(";base64,")[2] or found, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not base64") from None
    return opened(raw, background)


def _array(found: Any) -> Array:
    try:
        array = np.asarray(found, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("pixel rows must be lists of numbers of equal length") from None
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3) or not array.size:
        raise ValueError("pixels have the shape [height, width] or [height, width, 3]")
    if not np.isfinite(array).all() or array.min() < 0 or array.max() > 255:
        raise ValueError("pixels are numbers from 0 to 255")
    return array.round().astype(np.uint8)
