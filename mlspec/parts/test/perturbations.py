"""Rows to slightly perturbed rows: typos, sensor noise, image shifts.

Each perturbation depends only on the seed, its name and the row number.
"""

from __future__ import annotations

import io
import random
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final, NotRequired, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from mlspec.runtime.preprocess.base import InputDescription
from mlspec.runtime.preprocess.image import opened
from mlspec.runtime.preprocess.picture import BACKGROUND
from mlspec.sections.test import FITS, Perturbation

Row = Mapping[str, object]
Pixels: TypeAlias = npt.NDArray[np.float64]


class PerturbedInput(InputDescription):
    """An input as in `schema.json`; numbers have their standard deviation in training."""

    std: NotRequired[float]


Inputs = Mapping[str, PerturbedInput]

_NEAR: Final = {
    "q": "wa", "w": "qes", "e": "wrd", "r": "etf", "t": "ryg", "y": "tuh", "u": "yij", "i": "uok", "o": "ipl",
    "p": "ol", "a": "qsz", "s": "awdx", "d": "sefc", "f": "drgv", "g": "fthb", "h": "gyjn", "j": "hukm", "k": "jil",
    "l": "ko", "z": "asx", "x": "zsdc", "c": "xdfv", "v": "cfgb", "b": "vghn", "n": "bhjm", "m": "njk",
}  # fmt: skip
"""Neighbouring keys on a keyboard."""


def perturbed(
    name: Perturbation, row: Row, index: int, inputs: Inputs, seed: int, strength: float
) -> dict[str, object]:
    """`row` with all inputs perturbed to which the perturbation applies; `missing` removes only one value.

    `inputs` are those of schema.json; numbers have their standard deviation in training as `std`.
    """
    generator = random.Random(f"{seed}:{name}:{index}")
    changed = dict(row)
    fitting = [c for c, described in inputs.items() if described["type"] in FITS[name] and row[c] is not None]
    if name == "missing" and fitting:
        fitting = [generator.choice(fitting)]
    for column in fitting:
        described = inputs[column]
        changed[column] = FUNCTIONS[name, described["type"]](row[column], generator, strength, described)
    return changed


def _typos(text: str, generator: random.Random, strength: float, _: object) -> str:
    """About one typo in 25 letters: swapped, dropped, doubled, or a neighbouring key."""
    letters = list(text)
    places = [i for i, c in enumerate(letters) if c.isalpha()]
    for _slip in range(max(1, round(len(places) * 0.04 * strength)) if places else 0):
        at = generator.choice(places)
        match generator.choice(("swap", "drop", "double", "near")):
            case "swap" if at + 1 < len(letters) and letters[at + 1][:1].isalpha():
                letters[at], letters[at + 1] = letters[at + 1], letters[at]
            case "drop" if len(places) > 3:
                letters[at] = ""
            case "near" if letters[at].lower() in _NEAR:
                letters[at] = generator.choice(_NEAR[letters[at].lower()])
            case _:
                letters[at] *= 2
    return "".join(letters)


def _case(text: str, generator: random.Random, *_: object) -> str:
    """Lower case, upper case, or the first letter in the other case."""
    variants = [text.lower(), text.upper(), text[:1].swapcase() + text[1:]]
    others = [v for v in variants if v != text]
    return generator.choice(others) if others else text


def _punctuation(text: str, generator: random.Random, *_: object) -> str:
    """The last punctuation mark removed, or one added."""
    bare = text.rstrip()
    return bare[:-1] if bare[-1:] in (".", "!", ",", ";") else bare + generator.choice((".", "!", " ."))


def _whitespace(text: str, generator: random.Random, strength: float, _: object) -> str:
    """Double spaces, and spaces around the text."""
    words = text.split(" ")
    gaps = [" " * (2 if generator.random() < min(0.3 * strength, 1) else 1) for _gap in words[1:]]
    inside = "".join(part for pair in zip(words, [*gaps, ""], strict=True) for part in pair)
    return f" {inside} " if inside == text or generator.random() < 0.5 else inside


def _accents(text: str, generator: random.Random, strength: float, _: object) -> str:
    """Accents removed; an accent added if the text has none."""
    plain = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    if plain != text:
        return plain
    places = [i for i, c in enumerate(text) if c in "aeiouAEIOU"]
    letters = list(text)
    for at in generator.sample(places, min(len(places), max(1, round(strength)))):
        letters[at] = unicodedata.normalize("NFC", letters[at] + "\u0301")
    return "".join(letters)


def _number_noise(value: float, generator: random.Random, strength: float, described: PerturbedInput) -> float:
    """Gaussian noise with 5% of the standard deviation."""
    return value + generator.gauss(0, 0.05 * strength * described.get("std", 1.0))


def _missing(*_: object) -> None:
    return None


def _image(
    change: Callable[[Pixels, random.Random, float], Pixels],
) -> Callable[[bytes, random.Random, float, PerturbedInput], bytes]:
    def how(raw: bytes, generator: random.Random, strength: float, described: PerturbedInput) -> bytes:
        colour = opened(raw, described.get("background", BACKGROUND))
        pixels = change(np.asarray(colour, dtype=np.float64), generator, strength)
        out = io.BytesIO()
        Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8)).save(out, "PNG")
        return out.getvalue()

    return how


def _image_noise(pixels: Pixels, generator: random.Random, strength: float) -> Pixels:
    """Gaussian pixel noise with 2% of the range."""
    grain = np.random.default_rng(generator.getrandbits(64)).normal(0, 5 * strength, pixels.shape)
    return pixels + grain


def _brightness(pixels: Pixels, generator: random.Random, strength: float) -> Pixels:
    """10% brighter or darker."""
    factor = 1 + generator.choice((-1, 1)) * min(0.1 * strength, 1)
    return np.multiply(pixels, factor)


def _shift(pixels: Pixels, generator: random.Random, strength: float) -> Pixels:
    """Shifted by 2% of the longer side, at least one pixel, with the edge repeated."""
    by = max(1, round(max(pixels.shape[:2]) * 0.02 * strength))
    down, right = generator.choice(((by, 0), (-by, 0), (0, by), (0, -by)))
    rows = np.clip(np.arange(pixels.shape[0]) - down, 0, pixels.shape[0] - 1)
    columns = np.clip(np.arange(pixels.shape[1]) - right, 0, pixels.shape[1] - 1)
    moved: Pixels = pixels[rows][:, columns]
    return moved


FUNCTIONS: Final[dict[tuple[str, str], Callable[..., object]]] = {
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
