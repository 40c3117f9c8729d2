"""Example rows for a bundle, generated from its signature, profile and vocabulary: none is a row of the data."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from mlspec.runtime import signature

_WORDS: Final = ["the", "cat", "that", "the", "dog", "saw", "ran", "home", "before", "it", "began", "to", "rain", "."]
Column = Mapping[str, Any]
Row = dict[str, object]


def rows(bundle: Path) -> list[Row]:
    """Three rows that the model accepts: with low, middle and high numbers, short and long texts."""
    profile = _json(bundle / "profile.json").get("columns", {})
    words = _words(bundle / "preprocess")
    examples: list[Row] = []
    for index in range(3):
        row: Row = {}
        for entry in signature.read(bundle).inputs:
            column = profile.get(entry["name"], {})
            row[entry["name"]] = (
                words[index] if entry["type"] == "text" else _KINDS[entry["type"]](index, column, entry)
            )
        examples.append(row)
    return examples


def _words(preprocess: Path) -> tuple[str, str, str]:
    """Texts of one word, a sentence, and twelve entries spread over the vocabulary."""
    vocabulary = _json(preprocess / "tokenizer.json").get("model", {}).get("vocab", {})
    entries = [entry[0] if isinstance(entry, list) else entry for entry in vocabulary]
    known = sorted({text.lstrip("\u2581\u0120#") for text in entries if text.lstrip("\u2581\u0120#").isalpha()})
    some = known[:: max(1, len(known) // 12)][:12]
    return "home", " ".join(_WORDS), " ".join(some + _WORDS)


def _number(index: int, column: Column, entry: Column) -> object:  # noqa: ARG001 - one form for all kinds
    quantiles = column.get("quantiles") or {}
    return quantiles.get(("0.05", "0.5", "0.95")[index], (-1.0, 0.0, 1.0)[index])


def _category(index: int, column: Column, entry: Column) -> object:  # noqa: ARG001
    top = column.get("top") or []
    return top[index]["value"] if index < len(top) else None


def _image(index: int, column: Column, entry: Column) -> object:  # noqa: ARG001
    """A pattern of the model's own size, as a PNG file in base64."""
    from PIL import Image

    grey, width, height = entry["channels"] == 1, entry["width"], entry["height"]
    size = width * height * (1 if grey else 3)
    pixels = bytes((index * 41 + place * (7 + index)) % 256 for place in range(size))
    file = io.BytesIO()
    Image.frombytes("L" if grey else "RGB", (width, height), pixels).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode("ascii")


_KINDS: Final[Mapping[str, Callable[[int, Column, Column], object]]] = {
    "number": _number,
    "category": _category,
    "image": _image,
}


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
