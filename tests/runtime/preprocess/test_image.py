"""Images that are scaled together have the bits of single images."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlspec.runtime.preprocess.bundle_errors import BadRow
from mlspec.runtime.preprocess.image import CHUNK, ImagePreprocess


def subject(channels: int, raw: bool = False) -> ImagePreprocess:
    """Images of 7 x 5 pixels."""
    return ImagePreprocess(
        {"kind": "image", "input": "i", "channels": channels, "height": 5, "width": 7, "raw": raw, "mean": 0.3, "std": 0.2},
        Path(),
    )  # fmt: skip


def files(count: int) -> list[bytes]:
    """Images of several modes and sizes."""
    dice, contents = np.random.default_rng(0), []
    for number in range(count):
        mode = ("L", "RGB", "LA", "P", "1")[number % 5]
        size = (7, 5) if number % 3 else (11, 4)
        image = Image.fromarray(dice.integers(1, 256, (size[1], size[0], 3), dtype=np.uint8)).convert(mode)
        out = io.BytesIO()
        image.save(out, "PNG")
        contents.append(out.getvalue())
    return contents


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("raw", [False, True])
def test_many_images_have_the_bits_of_single_ones(channels: int, raw: bool) -> None:
    preprocess = subject(channels, raw)
    rows = [{"i": content} for content in files(2 * CHUNK + 3)]
    many = preprocess.features(rows)
    assert len(many) == len(rows)
    for feature, row in zip(many, rows, strict=True):
        pixels = feature["pixels"]
        assert (pixels.dtype, pixels.shape) == (np.float32, (channels, 5, 7))
        assert pixels.tobytes() == preprocess.pixels(row["i"]).tobytes()


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_scaled_in_float32(channels: int) -> None:
    array = np.arange(35 * channels, dtype=np.uint8).reshape((5, 7) if channels == 1 else (5, 7, 3))
    planes = array.astype(np.float32)[None] if channels == 1 else array.astype(np.float32).transpose(2, 0, 1)
    assert np.array_equal(subject(channels).pixels(array), ((planes / 255 - 0.3) / 0.2).astype(np.float32))


def test_a_damaged_image_in_a_later_chunk_is_named() -> None:
    rows: list[dict[str, object]] = [{"i": content} for content in files(2 * CHUNK)]
    rows[CHUNK + 2] = {"i": b"nonsense"}
    with pytest.raises(BadRow) as error:
        subject(1).features(rows)
    assert error.value.index == CHUNK + 2
    assert subject(1).features([]) == []
