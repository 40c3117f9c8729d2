"""The pixels of a split are decoded once, and are what decoding gives."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mlspec.learning.decoded_images import decoded
from mlspec.runtime.preprocess.bundle_errors import BadRow
from mlspec.runtime.preprocess.image import ImagePreprocess


def images(mode: str, kind: str, count: int = 20) -> list[bytes]:
    """Files of images, each of another size."""
    draw, files = np.random.default_rng(5), []
    for at in range(count):
        shape = (9 + at, 13, len(Image.new(mode, (1, 1)).getbands()))
        image = Image.fromarray(draw.integers(0, 256, shape, dtype=np.uint8).squeeze(), mode)
        with io.BytesIO() as file:
            image.save(file, kind)
            files.append(file.getvalue())
    return files


def preprocess(channels: int = 3, **more: Any) -> ImagePreprocess:
    settings: Any = {"kind": "image", "input": "x", "channels": channels, "height": 11, "width": 13, "mean": 0.4}
    return ImagePreprocess(settings | {"std": 0.2} | more, Path())


@pytest.fixture
def split(tmp_path: Path) -> Path:
    path = tmp_path / "train.parquet"
    path.write_bytes(b"one")
    return path


def files(scratch: Path) -> list[Path]:
    return sorted((scratch / "pixels").iterdir())


@pytest.mark.parametrize(("mode", "kind"), [("L", "PNG"), ("RGB", "JPEG"), ("RGBA", "PNG")])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_features_are_those_of_the_files(mode: str, kind: str, channels: int, split: Path, tmp_path: Path) -> None:
    contents, own = images(mode, kind), preprocess(channels)
    expected = own.features([{"x": content} for content in contents])
    for _ in range(2):  # decoded, then read from the file
        pixels = decoded(contents, own, split, tmp_path)
        hit = own.features([{"x": image} for image in pixels])
        for one, other in zip(hit, expected, strict=True):
            np.testing.assert_array_equal(one["pixels"], other["pixels"], strict=True)


def changed(scratch: Path) -> None:
    """Make the file differ from the images."""
    (path,) = files(scratch)
    np.save(path, np.zeros_like(np.load(path)))


def zero(pixels: np.ndarray[Any, Any]) -> bool:
    return not pixels.any()


def test_the_second_time_the_file_is_read(split: Path, tmp_path: Path) -> None:
    contents = images("RGB", "PNG")
    assert not zero(decoded(contents, preprocess(), split, tmp_path))
    changed(tmp_path)
    assert zero(decoded(contents, preprocess(), split, tmp_path))
    assert zero(decoded(contents, preprocess(mean=0.1), split, tmp_path))


@pytest.mark.parametrize("what", ["data", "background", "size", "channels"])
def test_other_pixels_replace_the_file(what: str, split: Path, tmp_path: Path) -> None:
    contents = images("RGB", "PNG")
    decoded(contents, preprocess(), split, tmp_path)
    changed(tmp_path)
    if what == "data":
        split.write_bytes(b"other")
    more: dict[str, Any] = {"background": {"background": "black"}, "size": {"width": 7}, "channels": {"channels": 1}}
    assert not zero(decoded(contents, preprocess(**more.get(what, {})), split, tmp_path))
    assert len(files(tmp_path)) == 1


def test_a_damaged_file_is_written_again(split: Path, tmp_path: Path) -> None:
    contents = images("RGB", "PNG")
    pixels = np.array(decoded(contents, preprocess(), split, tmp_path))
    (path,) = files(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    np.testing.assert_array_equal(np.array(decoded(contents, preprocess(), split, tmp_path)), pixels)
    assert path.read_bytes() == whole


def test_without_a_folder_to_write_to_images_are_decoded(split: Path, tmp_path: Path) -> None:
    (tmp_path / "pixels").touch()
    assert not zero(decoded(images("RGB", "PNG"), preprocess(), split, tmp_path))


def test_an_image_that_cannot_be_decoded_is_located(split: Path, tmp_path: Path) -> None:
    with pytest.raises(BadRow) as caught:
        decoded([*images("RGB", "PNG", 3), b"none"], preprocess(), split, tmp_path)
    assert (caught.value.index, caught.value.input) == (3, "x")
    assert not (tmp_path / "pixels").exists()
