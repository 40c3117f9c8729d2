"""The bytes of an image file to upright 8-bit pixels, grey or RGB, and notes about the conversions.

Used by training, evaluation and serving. Images that can be interpreted in several ways are refused.
"""

from __future__ import annotations

import functools
import io
import struct
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from PIL import Image as Pillow

MAX_PIXELS = 50_000_000
"""Maximum number of pixels of an image; at this size Pillow's own check only warns."""
FORMATS = ("PNG", "JPEG", "BMP", "DIB", "GIF", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000")
"""Formats that Pillow recognises by content and reads without an external program (unlike EPS, with Ghostscript)."""
DEEPEST = 65535
BACKGROUND = "white"
"""The colour behind transparent pixels unless the spec names another."""
ON_BACKGROUND = "transparent pixels composited on"
NOT_APPLIED = "ICC colour profile ignored, pixel values used as they are"

_DAMAGED = (OSError, SyntaxError, ValueError, OverflowError, ArithmeticError, LookupError, TypeError, AttributeError,
            EOFError, RuntimeError, MemoryError, struct.error, zlib.error)  # fmt: skip
"""Exceptions of Pillow's decoders for damaged images."""
_ORIENTATION, _PAGE_KIND, _BITS, _PHOTOMETRIC = 0x0112, 254, 258, 262
_REDUCED = 1
_SRGB = (b"sRGB", "sRGB".encode("utf-16-be"))


class AmbiguousImageError(ValueError):
    """The image can be interpreted in several ways."""


class Picture(NamedTuple):
    """An image of mode L or RGB."""

    image: Pillow.Image
    notes: tuple[str, ...] = ()
    """Conversions of pixels, orientation and colours, as texts for the record of decisions."""
    deepest: int | None = None
    """The maximum pixel value of a 16-bit image, before it was scaled to 8 bits."""
    format: str = ""
    """The format of the file, detected from its content."""


def picture(raw: bytes, background: str = BACKGROUND) -> Picture:
    """The image in the bytes of a file, composited on `background`, a colour name or `#rrggbb`.

    Raises ValueError if it is invalid or can be interpreted in several ways.
    """
    image, notes = _loaded(raw)
    grey, deep_notes, deepest = _eight_bits(image, raw, background)
    flat, colour_notes = _flat(grey, background)
    profile = image.info.get("icc_profile") or b""
    other = "" if any(name in profile for name in _SRGB) else profile_name(profile)
    all_notes = (*notes, *deep_notes, *colour_notes, *([f"{NOT_APPLIED}: {other}"] if other else []))
    return Picture(flat, all_notes, deepest, image.format or "")


def _loaded(raw: bytes) -> tuple[Pillow.Image, tuple[str, ...]]:
    """The decoded image, upright."""
    from PIL import Image as Pillow

    notes: list[str] = []
    fault = ""
    try:
        image: Pillow.Image = Pillow.open(io.BytesIO(raw), formats=_formats())
        large = image.width * image.height > MAX_PIXELS
        fault = "" if large else _fault(image)
        if not large and not fault:
            if image.format == "MPO":
                notes.append("only the first image of a multi-picture JPEG was read")
            turned = image.getexif().get(_ORIENTATION, 1) in range(2, 9)
            image.load()
            # Cameras store the orientation in an EXIF tag and do not rotate the pixels.
            image = _upright(image) if turned else image
            notes += ["rotated according to the EXIF orientation"] if turned else []
    except (*_DAMAGED, Pillow.DecompressionBombError):
        raise ValueError("is not a valid image of a supported format (PNG, JPEG, ...)") from None
    if large:
        raise ValueError(f"has more than {MAX_PIXELS:,} pixels")
    if fault:
        raise AmbiguousImageError(fault)
    return image, tuple(notes)


@functools.cache
def _formats() -> tuple[str, ...]:
    """The supported formats of the installed Pillow."""
    from PIL import Image as Pillow

    Pillow.init()
    return tuple(name for name in FORMATS if name in Pillow.OPEN)


def _fault(image: Pillow.Image) -> str:
    """Why an image is refused; `""` if it is accepted."""
    if image.format == "MPO" or getattr(image, "n_frames", 1) == 1:
        return ""
    if image.format != "TIFF":
        return "is an animation; save one of its frames as a PNG file"
    return "has several pages; save each page as a separate file" if _pages(image) > 1 else ""


def _pages(image: Any) -> int:
    """The number of pages of a TIFF file that are not reduced copies of another."""
    pages = 0
    for index in range(image.n_frames):
        image.seek(index)
        pages += index == 0 or not image.tag_v2.get(_PAGE_KIND, 0) & _REDUCED
    image.seek(0)
    return pages


def _upright(image: Pillow.Image) -> Pillow.Image:
    from PIL import ImageOps

    format = image.format
    ImageOps.exif_transpose(image, in_place=True)
    image.format = format
    return image


def _colour(background: str, mode: str) -> int | tuple[int, ...]:
    from PIL import ImageColor

    colour: int | tuple[int, ...] = ImageColor.getcolor(background, mode)
    return colour


def _eight_bits(image: Pillow.Image, raw: bytes, background: str) -> tuple[Pillow.Image, tuple[str, ...], int | None]:
    """The image with 8 bits per channel. Pillow would clip values at 255 instead of scaling them."""
    from PIL import Image as Pillow

    bits, inverted = _depth(image, raw)
    if image.mode == "F":
        raise AmbiguousImageError("has floating-point pixels of unknown range; save it with 8 or 16 bits per channel")
    if not image.mode.startswith("I"):
        return image, (("16 bits per channel scaled to 8",) if bits > 8 else ()), None
    deep = np.asarray(image, dtype=np.int64)
    known = image.mode.startswith("I;16") or image.format in ("PNG", "PPM", "JPEG2000")
    if not known or deep.min(initial=0) < 0 or deep.max(initial=0) > DEEPEST:
        raise AmbiguousImageError("has 32-bit or signed pixels of unknown range; save it with 8 or 16 bits per channel")
    largest = 2 ** min(bits, 16) - 1 if bits > 8 else DEEPEST
    if inverted:
        deep = largest - deep
    clear = deep == image.info.get("transparency")
    scaled = (deep * (255 / largest)).clip(0, 255).round().astype(np.uint8)
    converted = Pillow.fromarray(np.where(clear, np.asarray(_colour(background, "L"), np.uint8), scaled))
    notes = [f"{min(bits, 16) if bits > 8 else 16} bits per channel scaled to 8"]
    notes += [f"{ON_BACKGROUND} {background}"] if clear.any() else []
    return converted, tuple(notes), int(deep.max(initial=0))


def _depth(image: Pillow.Image, raw: bytes) -> tuple[int, bool]:
    """The bits per channel of the file, by default 8; and whether 0 is white."""
    tags: Any = getattr(image, "tag_v2", None)
    if tags is not None:
        bits = tags.get(_BITS, (8,))
        deep = max(bits) if isinstance(bits, tuple) else int(bits)
        return deep, deep > 8 and tags.get(_PHOTOMETRIC) == 0
    deep = image.format == "PNG" and raw[24] == 16
    return 16 if deep or image.mode.startswith("I;16") else 8, False


def _flat(image: Pillow.Image, background: str) -> tuple[Pillow.Image, tuple[str, ...]]:
    """The image as L or RGB, composited on the background, with notes."""
    from PIL import Image as Pillow

    notes = tuple(note for mode, note in _MODES.items() if image.mode == mode)
    mode = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
    try:
        if not _transparent(image):
            return image if image.mode == mode else image.convert(mode), notes
        layered = image.convert("LA" if mode == "L" else "RGBA")
    except ValueError:
        raise ValueError(f"has the unsupported colour mode {image.mode}; save it as RGB") from None
    alpha = layered.getchannel("A")
    least, most = alpha.getextrema()
    if least == 255:
        return layered.convert(mode), notes
    if most == 0:
        raise ValueError("is fully transparent (alpha is 0 in every pixel); save it without an alpha channel")
    behind = Pillow.new(mode, image.size, _colour(background, mode))
    behind.paste(layered.convert(mode), mask=alpha)
    return behind, (*notes, f"{ON_BACKGROUND} {background}")


def profile_name(profile: bytes) -> str:
    """The description of an ICC profile, or `unnamed`; `""` without a profile."""
    if not profile:
        return ""
    for at in range(132, min(len(profile) - 12, 132 + 12 * 100), 12):
        tag, start, size = struct.unpack_from(">4sII", profile, at)
        if tag == b"desc" and start + 28 <= len(profile):
            return _described(profile[start : start + size]) or "unnamed"
    return "unnamed"


def _described(tag: bytes) -> str:
    """The text of a tag of type `desc` (ASCII) or `mluc` (UTF-16, multilingual)."""
    if tag[:4] == b"mluc" and len(tag) >= 28:
        length, start = struct.unpack_from(">II", tag, 20)
        text = tag[start : start + min(length, 200)].decode("utf-16-be", "replace")
    elif len(tag) < 12:
        return ""
    else:
        text = tag[12 : 12 + min(struct.unpack_from(">I", tag, 8)[0], 100)].decode("ascii", "replace")
    return "".join(char for char in text if char.isprintable()).strip()


_MODES = {
    "1": "black and white pixels read as 0 and 255",
    "P": "palette replaced by its colours",
    "PA": "palette replaced by its colours",
    "CMYK": "CMYK converted to RGB",
    "LAB": "LAB colours converted to RGB",
    "YCbCr": "YCbCr converted to RGB",
}


def _transparent(image: Pillow.Image) -> bool:
    return image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
