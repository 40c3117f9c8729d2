"""Perturbed rows: typing errors, sensor noise, other lighting.

A perturbation depends only on the seed, its name and the row's number.
"""

from __future__ import annotations

import io
import random
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from PIL import Image

from mlspec.runtime.preprocess.image import opened
from mlspec.runtime.preprocess.picture import BACKGROUND
from mlspec.sections.test import FITS, Perturbation

Row = Mapping[str, Any]
Pixels = np.ndarray[Any, np.dtype[np.float64]]
Inputs = Mapping[str, Mapping[str, Any]]

_NEAR: Final = {
    "q": "wa", "w": "qes", "e": "wrd", "r": "etf", "t": "ryg", "y": "tuh", "u": "yij", "i": "uok", "o": "ipl",
    "p": "ol", "a": "qsz", "s": "awdx", "d": "sefc", "f": "drgv", "g": "fthb", "h": "gyjn", "j": "hukm", "k": "jil",
    "l": "ko", "z": "asx", "x": "zsdc", "c": "xdfv", "v": "cfgb", "b": "vghn", "n": "bhjm", "m": "njk",
}  # fmt: skip
"""Keys beside each other on a keyboard."""


def perturbed(name: Perturbation, row: Row, index: int, inputs: Inputs, seed: int, strength: float) -> dict[str, Any]:
    """`row` with every fitting input perturbed; `missing` removes the value of one of them.

    `inputs` are those of schema.json, numbers with their spread in training as `std`.
    """
    chance = random.Random(f"{seed}:{name}:{index}")
    changed = dict(row)
    fitting = [c for c, described in inputs.items() if described["type"] in FITS[name] and row[c] is not None]
    if name == "missing" and fitting:
        fitting = [chance.choice(fitting)]
    for column in fitting:
        described = inputs[column]
        changed[column] = _HOW[name, described["type"]](row[column], chance, strength, described)
    return changed


def _typos(text: str, chance: random.Random, strength: float, _: Any) -> str:
    """One slip in about 25 letters: two swapped, one left out, doubled, or a neighbour on the keyboard."""
    letters = list(text)
    places = [i for i, c in enumerate(letters) if c.isalpha()]
    for _slip in range(max(1, round(len(places) * 0.04 * strength)) if places else 0):
        at = chance.choice(places)
        match chance.choice(("swap", "drop", "double", "near")):
            case "swap" if at + 1 < len(letters) and letters[at + 1][:1].isalpha():
                letters[at], letters[at + 1] = letters[at + 1], letters[at]
            case "drop" if len(places) > 3:
                letters[at] = ""
            case "near" if letters[at].lower() in _NEAR:
                letters[at] = chance.choice(_NEAR[letters[at].lower()])
            case _:
                letters[at] *= 2
    return "".join(letters)


def _case(text: str, chance: random.Random, *_: Any) -> str:
    """All small, all capital, or the first letter the other way."""
    variants = [text.lower(), text.upper(), text[:1].swapcase() + text[1:]]
    others = [v for v in variants if v != text]
    return chance.choice(others) if others else text


def _punctuation(text: str, chance: random.Random, *_: Any) -> str:
    """The last mark left out, or one added."""
    bare = text.rstrip()
    return bare[:-1] if bare[-1:] in (".", "!", ",", ";") else bare + chance.choice((".", "!", " ."))


def _whitespace(text: str, chance: random.Random, strength: float, _: Any) -> str:
    """Doubled spaces, and some around the text."""
    words = text.split(" ")
    gaps = [" " * (2 if chance.random() < min(0.3 * strength, 1) else 1) for _gap in words[1:]]
    inside = "".join(part for pair in zip(words, [*gaps, ""], strict=True) for part in pair)
    return f" {inside} " if inside == text or chance.random() < 0.5 else inside


def _accents(text: str, chance: random.Random, strength: float, _: Any) -> str:
    """Accents left out; where there are none, one letter gets one."""
    plain = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    if plain != text:
        return plain
    places = [i for i, c in enumerate(text) if c in "aeiouAEIOU"]
    letters = list(text)
    for at in chance.sample(places, min(len(places), max(1, round(strength)))):
        letters[at] = unicodedata.normalize("NFC", letters[at] + "\u0301")
    return "".join(letters)


def _number_noise(value: float, chance: random.Random, strength: float, described: Mapping[str, Any]) -> float:
    """A twentieth of the spread."""
    return value + chance.gauss(0, 0.05 * strength * described.get("std", 1.0))


def _missing(*_: Any) -> None:
    return None


def _image(change: Callable[[Pixels, random.Random, float], Pixels]) -> Any:
    def how(raw: bytes, chance: random.Random, strength: float, described: Mapping[str, Any]) -> bytes:
        colour = opened(raw, described.get("background", BACKGROUND))
        pixels = change(np.asarray(colour, dtype=np.float64), chance, strength)
        out = io.BytesIO()
        Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8)).save(out, "PNG")
        return out.getvalue()

    return how


def _image_noise(pixels: Pixels, chance: random.Random, strength: float) -> Pixels:
    """A sensor's grain: a fiftieth of the range."""
    grain = np.random.default_rng(chance.getrandbits(64)).normal(0, 5 * strength, pixels.shape)
    return pixels + grain


def _brightness(pixels: Pixels, chance: random.Random, strength: float) -> Pixels:
    """A tenth brighter or darker."""
    factor = 1 + chance.choice((-1, 1)) * min(0.1 * strength, 1)
    return np.multiply(pixels, factor)


def _shift(pixels: Pixels, chance: random.Random, strength: float) -> Pixels:
    """Moved by a fiftieth of its side, at least one pixel; the edge is repeated."""
    by = max(1, round(max(pixels.shape[:2]) * 0.02 * strength))
    down, right = chance.choice(((by, 0), (-by, 0), (0, by), (0, -by)))
    rows = np.clip(np.arange(pixels.shape[0]) - down, 0, pixels.shape[0] - 1)
    columns = np.clip(np.arange(pixels.shape[1]) - right, 0, pixels.shape[1] - 1)
    moved: Pixels = pixels[rows][:, columns]
    return moved


_HOW: Final[dict[tuple[str, str], Callable[..., Any]]] = {
    ("typos", "text"): _typos,
    ("case", "text"): _case,
    ("punctuation", "text"): _punctuation,
    ("whitespace", "text"): _whitespace,
    ("accents", "text"): _accents,
    ("noise", "number"): _number_noise,
    ("noise", "image"): _image(_image_noise),
    ("brightness", "image"): _image(_brightness),
    ("shift", "image"): _image(_shift),
    ("missing", "category"): _missing,
    ("missing", "number"): _missing,
}
