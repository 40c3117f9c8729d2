"""Text, or a pair of texts, to token ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypedDict

import numpy as np
from tokenizers import Tokenizer

from mlspec.runtime.preprocess.base import Array, Feature, Row, text
from mlspec.runtime.preprocess.bundle_errors import BundleError

FILE = "tokenizer.json"


class TextSettings(TypedDict):
    """The settings of text inputs in `preprocess.json`."""

    kind: Literal["text"]
    inputs: list[str]
    names: list[str]
    max_length: int
    pad: int


class TextPreprocess:
    """`input_ids`, `attention_mask` and, if the model needs them, `token_type_ids`: int64 [B, L]."""

    def __init__(self, settings: TextSettings, folder: Path) -> None:
        self.inputs: list[str] = settings["inputs"]
        self.names: tuple[str, ...] = tuple(settings["names"])
        self.pad: int = settings["pad"]
        try:
            self.tokenizer = Tokenizer.from_file(str(folder / FILE))
        except Exception as error:  # noqa: BLE001 - the extension raises a bare Exception
            raise BundleError(f"cannot read {folder / FILE}: {error}") from None
        self.tokenizer.no_padding()
        self.max_length: int = settings["max_length"]
        self.tokenizer.enable_truncation(max_length=self.max_length)

    def features(self, rows: Sequence[Row]) -> list[Feature]:
        """The token ids of each row, truncated to `max_length`."""
        texts = [tuple(text(row, name, index) for name in self.inputs) for index, row in enumerate(rows)]
        encoded = self.tokenizer.encode_batch([t[0] if len(t) == 1 else t for t in texts])
        parts = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
        return [
            {name: np.asarray(getattr(item, parts[name]), dtype=np.int64) for name in self.names} for item in encoded
        ]

    def cut(self, rows: Sequence[Row]) -> int:
        """The number of rows that have more than `max_length` tokens and are truncated."""
        texts = [tuple(text(row, name, index) for name in self.inputs) for index, row in enumerate(rows)]
        encoded = self.tokenizer.encode_batch([t[0] if len(t) == 1 else t for t in texts])
        return sum(bool(item.overflowing) for item in encoded)

    def collate(self, features: Sequence[Feature]) -> dict[str, Array]:
        """The batch, padded on the right to the longest row."""
        longest = max(1, max(self.length(feature) for feature in features))
        batch: dict[str, Array] = {}
        for name in self.names:
            filled = np.full((len(features), longest), self.pad if name == "input_ids" else 0, dtype=np.int64)
            for row, feature in enumerate(features):
                filled[row, : len(feature[name])] = feature[name]
            batch[name] = filled
        return batch

    def length(self, feature: Feature) -> int:
        """The number of tokens of the row."""
        return len(feature["input_ids"])
