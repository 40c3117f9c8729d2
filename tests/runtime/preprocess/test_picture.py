"""Images of every mode and format, against pixels computed here, independently of the product's conversions."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mlspec.runtime.preprocess.picture import picture

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
COLOUR = np.stack([GREY, 255 - GREY, GREY // 2], axis=2)
ALPHA = np.where(np.arange(48).reshape(6, 8) % 3 == 0, 0, np.where(np.arange(48).reshape(6, 8) % 3 == 1, 128, 255))


def saved(image: Image.Image, format: str = "png", **how: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **how)
    return out.getvalue()


def pixels(raw: bytes, background: str = "white") -> np.ndarray[Any, Any]:
    result = picture(raw, background)
    assert result.image.mode in ("L", "RGB")
    return np.asarray(result.image).astype(int)


def notes(raw: bytes, background: str = "white") -> str:
    return "; ".join(picture(raw, background).notes)


def deep_png(values: np.ndarray[Any, Any]) -> bytes:
    """A PNG of 16 bits a channel, written by hand: Pillow writes none in colour."""
    height, width = values.shape[:2]
    kind = 2 if values.ndim == 3 else 0
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


LOSSLESS: dict[str, dict[str, Any]] = {
    "png": {}, "bmp": {}, "tiff": {}, "ppm": {}, "webp": {"lossless": True}, "jpeg2000": {"irreversible": False},
}  # fmt: skip


@pytest.mark.parametrize("format", LOSSLESS)
@pytest.mark.parametrize("values", [GREY, COLOUR], ids=["grey", "colour"])
def test_lossless_formats_keep_every_pixel(format: str, values: np.ndarray[Any, Any]) -> None:
    result = pixels(saved(Image.fromarray(values), format, **LOSSLESS[format]))
    if result.ndim == 3 and values.ndim == 2:  # a format without grey images
        result = result[:, :, 0]
    assert (result == values).all()
    assert not notes(saved(Image.fromarray(values), format, **LOSSLESS[format]))


@pytest.mark.parametrize("format", ["png", "tiff", "webp"])
def test_alpha_is_composited_on_white(format: str) -> None:
    rgba = np.dstack([COLOUR, ALPHA.astype(np.uint8)])
    raw = saved(Image.fromarray(rgba), format, **({"lossless": True, "exact": True} if format == "webp" else {}))
    share = ALPHA[:, :, None] / 255
    assert np.abs(pixels(raw) - (COLOUR * share + 255 * (1 - share))).max() <= 1
    assert notes(raw) == "transparent pixels composited on white"


@pytest.mark.parametrize(
    ("background", "colour"), [("white", (255, 255, 255)), ("black", (0, 0, 0)), ("#20ff80", (32, 255, 128))]
)
def test_alpha_is_composited_on_the_background(background: str, colour: tuple[int, int, int]) -> None:
    rgba = np.dstack([COLOUR, ALPHA.astype(np.uint8)])
    share = ALPHA[:, :, None] / 255
    raw = saved(Image.fromarray(rgba))
    assert np.abs(pixels(raw, background) - (COLOUR * share + np.array(colour) * (1 - share))).max() <= 1
    assert notes(raw, background) == f"transparent pixels composited on {background}"
    shade = round(0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2])
    layered = saved(Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(ALPHA.astype(np.uint8))]))
    assert np.abs(pixels(layered, background) - (GREY * share[:, :, 0] + shade * (1 - share[:, :, 0]))).max() <= 1
    deep = Image.fromarray(DEEP)
    clear = saved(deep, transparency=int(DEEP[2, 3]))
    expected = np.where(DEEP[2, 3] == DEEP, shade, np.round(DEEP / 257))
    assert np.abs(pixels(clear, background) - expected).max() <= 1
    assert notes(clear, background) == f"16 bits per channel scaled to 8; transparent pixels composited on {background}"


def test_grey_and_palette_with_transparency() -> None:
    layered = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(ALPHA.astype(np.uint8))])
    expected = GREY * (ALPHA / 255) + 255 * (1 - ALPHA / 255)
    assert np.abs(pixels(saved(layered)) - expected).max() <= 1
    palette = Image.fromarray((GREY // 64).astype(np.uint8))
    palette = palette.convert("P")
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    raw = saved(palette, transparency=1)
    result = pixels(raw)
    index = np.asarray(palette)
    colours = np.array([[255, 0, 0], [255, 255, 255], [0, 0, 255], [9, 9, 9]])
    assert (result == colours[index]).all()
    assert notes(raw) == "palette replaced by its colours; transparent pixels composited on white"
    grey = saved(Image.fromarray(GREY), transparency=int(GREY[2, 3]))
    assert (pixels(grey) == np.where(GREY[2, 3] == GREY, 255, GREY)).all()


def test_an_opaque_alpha_channel_changes_nothing() -> None:
    raw = saved(Image.fromarray(np.dstack([COLOUR, np.full((6, 8), 255, np.uint8)])))
    assert (pixels(raw) == COLOUR).all()
    assert not notes(raw)


DEEP = np.linspace(0, 65535, 48).reshape(6, 8).astype(np.uint16)


@pytest.mark.parametrize("form", ["png", "tiff", "ppm"])
def test_16_bits_are_scaled_not_clipped(form: str) -> None:
    raw = {"png": lambda: deep_png(DEEP), "ppm": lambda: b"P5 8 6 65535\n" + DEEP.astype(">u2").tobytes()}.get(
        form, lambda: saved(Image.fromarray(DEEP), "tiff")
    )()
    assert (pixels(raw) == np.round(DEEP / 257)).all()
    assert notes(raw) == "16 bits per channel scaled to 8"
    assert picture(raw).deepest == 65535


def test_16_bits_of_colour_are_scaled() -> None:
    deep = COLOUR.astype(np.uint16) * 257
    assert (pixels(deep_png(deep)) == COLOUR).all()
    assert notes(deep_png(deep)) == "16 bits per channel scaled to 8"


def test_16_bits_with_zero_as_white() -> None:
    raw = bytearray(saved(Image.fromarray(DEEP), "tiff"))
    at = raw.index(struct.pack("<HHII", 262, 3, 1, 1)) if struct.pack("<HHII", 262, 3, 1, 1) in raw else -1
    assert at > 0
    raw[at + 8] = 0
    assert (pixels(bytes(raw)) == np.round((65535 - DEEP.astype(int)) / 257)).all()


@pytest.mark.parametrize("turn", range(1, 9))
def test_orientation(turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    upright = {
        1: COLOUR, 2: COLOUR[:, ::-1], 3: COLOUR[::-1, ::-1], 4: COLOUR[::-1], 5: COLOUR.transpose(1, 0, 2),
        6: np.rot90(COLOUR, -1), 7: np.rot90(COLOUR, 2).transpose(1, 0, 2), 8: np.rot90(COLOUR, 1),
    }[turn]  # fmt: skip
    for raw in (saved(Image.fromarray(COLOUR), exif=exif), saved(Image.fromarray(COLOUR), "tiff", exif=exif)):
        assert (pixels(raw) == upright).all()
        assert notes(raw) == ("" if turn == 1 else "rotated according to the EXIF orientation")


def test_cmyk_and_one_bit() -> None:
    raw = saved(Image.fromarray(COLOUR).convert("CMYK"), "tiff")
    assert (pixels(raw) == COLOUR).all()
    assert notes(raw) == "CMYK converted to RGB"
    assert notes(saved(Image.new("LAB", (4, 4)), "tiff")) == "LAB colours converted to RGB"
    bits = Image.fromarray(GREY > 100)
    assert (pixels(saved(bits)) == np.where(GREY > 100, 255, 0)).all()
    assert notes(saved(bits)) == "black and white pixels read as 0 and 255"


def frames(format: str, **how: Any) -> bytes:
    images = [Image.fromarray(COLOUR), Image.fromarray(255 - COLOUR)]
    return saved(images[0], format, save_all=True, append_images=images[1:], **how)


REFUSED = {
    "gif": (lambda: frames("gif"), "is an animation"),
    "webp": (lambda: frames("webp"), "is an animation"),
    "apng": (lambda: frames("png"), "is an animation"),
    "pages": (lambda: frames("tiff"), "has several pages"),
    "float": (lambda: saved(Image.fromarray(GREY.astype(np.float32)), "tiff"), "floating-point"),
    "32 bits": (lambda: saved(Image.fromarray(GREY.astype(np.int32)), "tiff"), "32-bit or signed"),
    "invisible": (lambda: saved(Image.fromarray(np.dstack([COLOUR, ALPHA.astype(np.uint8) * 0]))), "fully transparent"),
    "postscript": (lambda: saved(Image.fromarray(COLOUR), "eps"), "is not a valid image of a supported format"),
    "cut": (lambda: saved(Image.fromarray(COLOUR))[:60], "is not a valid image of a supported format"),
    "text": (lambda: b"hello", "is not a valid image of a supported format"),
}


@pytest.mark.parametrize(("make", "what"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_single_reading_is_refused(make: Any, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        picture(make())


def test_phones_with_a_second_image_and_tiff_with_a_small_copy() -> None:
    images = [Image.fromarray(COLOUR), Image.fromarray(GREY)]
    raw = saved(images[0], "mpo", save_all=True, append_images=images[1:])
    assert notes(raw) == "only the first image of a multi-picture JPEG was read"
    small = images[1].resize((2, 2))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    raw = saved(images[0], "tiff", save_all=True, append_images=[small])
    assert (pixels(raw) == COLOUR).all()


@pytest.mark.slow
@pytest.mark.parametrize("format", ["png", "jpeg", "tiff", "gif", "bmp", "webp", "ppm", "avif", "jpeg2000"])
def test_damaged_files_are_refused_or_read(format: str) -> None:
    whole = saved(Image.fromarray(COLOUR), format)
    draw = np.random.default_rng(0)
    for _ in range(300):
        raw = bytearray(whole)
        for at in draw.integers(0, len(raw), 3):
            raw[at] = draw.integers(0, 256)
        try:
            result = picture(bytes(raw[: draw.integers(1, len(raw) + 1)]))
        except ValueError:
            continue
        assert result.image.mode in ("L", "RGB")
