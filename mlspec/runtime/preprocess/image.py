"""Images to standardised pixel arrays."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict

import numpy as np

from mlspec.runtime.preprocess.base import Array, Feature, InputDescription, Row, kind, stack, value
from mlspec.runtime.preprocess.bundle_errors import BadRow
from mlspec.runtime.preprocess.picture import BACKGROUND, picture

if TYPE_CHECKING:
    from PIL import Image as Pillow


CHUNK = 16
"""Number of images that are scaled together: a few of their arrays fit in the cache of a processor."""


class ImageSize(TypedDict):
    """The size of an image, and the colour behind its transparent pixels."""

    channels: int
    height: int
    width: int
    background: NotRequired[str]


class ImageSettings(ImageSize):
    """The settings of an image input in `preprocess.json`."""

    kind: Literal["image"]
    input: str
    raw: NotRequired[bool]
    mean: float
    std: float


class ImagePreprocess:
    """`pixels` float32 [B, C, H, W]: scaled to 0..1, standardised with the training data's mean and deviation.

    With `raw`, pixels are 0..255.
    """

    names = ("pixels",)

    def __init__(self, settings: ImageSettings, folder: Path) -> None:  # noqa: ARG002 - one form for all kinds
        self.input: str = settings["input"]
        self.size: tuple[int, int] = (settings["width"], settings["height"])
        self.mode = "L" if settings["channels"] == 1 else "RGB"
        self.channels: int = settings["channels"]
        self._shape = (settings["height"], settings["width"], 3)[: 2 if self.mode == "L" else 3]
        self.raw: bool = settings.get("raw", False)
        self.background: str = settings.get("background", BACKGROUND)
        self.mean: float = settings["mean"]
        self.std: float = settings["std"]

    def features(self, rows: Sequence[Row]) -> list[Feature]:
        """The pixels of each row, from file bytes, base64, or nested lists of 0..255 [H, W] or [H, W, 3]."""
        features: list[Feature] = []
        for start in range(0, len(rows), CHUNK):
            some = enumerate(rows[start : start + CHUNK], start)
            decoded = self.decoded([value(row, self.input, index) for index, row in some], start)
            # The rows of one array.
            features += [{"pixels": pixels} for pixels in self._scaled(decoded)]
        return features

    def decoded(self, contents: Sequence[object], first: int = 0) -> Array:
        """The pixels of images of the rows from `first` on, uint8 [B, H, W] or [B, H, W, 3]. Raises BadRow."""
        return np.stack([self._decoded(content, index) for index, content in enumerate(contents, first)])

    def pixels(self, content: object, index: int = 0) -> Array:
        """The pixels of one image, float32 [C, H, W]. Raises BadRow."""
        pixels: Array = self._scaled(self._decoded(content, index)[None])[0]
        return pixels

    def _decoded(self, content: object, index: int) -> Array:
        """The pixels of one image, uint8 [H, W] or [H, W, 3]. Raises BadRow."""
        if isinstance(content, np.ndarray) and content.dtype == np.uint8 and content.shape == self._shape:
            return content
        from PIL import Image as Pillow

        try:
            image = _image(content, self.background)
            image = image if image.mode == self.mode else image.convert(self.mode)
        except ValueError as error:
            raise BadRow(index, self.input, str(error)) from None
        if image.size != self.size:
            image = image.resize(self.size, Pillow.Resampling.BILINEAR)
        return np.asarray(image)

    def _scaled(self, decoded: Array) -> Array:
        """Images, uint8 [B, H, W] or [B, H, W, 3], to float32 [B, C, H, W]."""
        planes = decoded[:, None] if self.channels == 1 else decoded.transpose(0, 3, 1, 2)
        # A copy in this order, in which all further operators write.
        scaled = np.ascontiguousarray(planes, dtype=np.float32)
        if not self.raw:
            scaled /= 255
            scaled -= self.mean
            scaled /= self.std
        return scaled

    def collate(self, features: Sequence[Feature]) -> dict[str, Array]:
        """The stacked images."""
        return {"pixels": stack(features, "pixels")}

    def length(self, feature: Feature) -> int:  # noqa: ARG002
        """1: all images have the same size."""
        return 1


def image_size(described: InputDescription) -> ImageSize:
    """The size of an input as in `schema.json`."""
    size: ImageSize = {
        "channels": described["channels"],
        "height": described["height"],
        "width": described["width"],
    }
    if "background" in described:
        size["background"] = described["background"]
    return size


def opened(raw: bytes, background: str = BACKGROUND) -> Pillow.Image:
    """The image in the bytes of a file: upright, grey or RGB, 8 bits per channel. Raises ValueError."""
    return picture(raw, background).image


def _image(content: object, background: str) -> Pillow.Image:
    from PIL import Image as Pillow

    if isinstance(content, list | tuple | np.ndarray):
        return Pillow.fromarray(_array(content))
    if isinstance(content, bytes | bytearray | memoryview):
        return opened(bytes(content), background)
    if not isinstance(content, str):
        raise ValueError(f"must be a base64 string or a list of pixel rows, not {kind(content)}")
    try:
        raw = base64.b64decode(content.partition(";base64,")[2] or content, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not base64") from None
    return opened(raw, background)


def _array(content: object) -> Array:
    try:
        array = np.asarray(content, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("must be pixel rows of equal length, with numbers only") from None
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3) or not array.size:
        raise ValueError("must have the shape [height, width] or [height, width, 3]")
    if not np.isfinite(array).all() or array.min() < 0 or array.max() > 255:
        raise ValueError("must have pixel values from 0 to 255")
    return array.round().astype(np.uint8)
