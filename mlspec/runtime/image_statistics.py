"""Brightness and contrast of an image, from the pixels that the model reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlspec.runtime.preprocess.base import Feature, Preprocess
from mlspec.runtime.preprocess.image import ImagePreprocess
from mlspec.runtime.preprocess.mixed import Mixed


@dataclass(frozen=True, slots=True)
class ImageStatistics:
    """Converts standardised pixels back to the range from 0 (black) to 1 (white)."""

    pixels: str
    """The name of the model input that contains the pixels."""
    scale: float
    offset: float

    def of(self, feature: Feature) -> dict[str, object]:
        """Mean and standard deviation of all pixels and channels, from 0 to 1."""
        pixels = feature[self.pixels]
        mean, deviation = float(np.mean(pixels, dtype=np.float64)), float(np.std(pixels, dtype=np.float64))
        return {"mean": round(mean * self.scale + self.offset, 4), "contrast": round(deviation * self.scale, 4)}


def statistics(preprocess: Preprocess) -> dict[str, ImageStatistics]:
    """The statistics of each image input; none for a preprocessing class of the project, which may return anything."""
    members = preprocess.members if isinstance(preprocess, Mixed) else (preprocess,)
    return {member.input: _statistics(member) for member in members if isinstance(member, ImagePreprocess)}


def _statistics(member: ImagePreprocess) -> ImageStatistics:
    (pixels,) = member.names
    return ImageStatistics(pixels, 1 / 255, 0.0) if member.raw else ImageStatistics(pixels, member.std, member.mean)
