"""Numbers and categories to standardised numbers and indices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlspec.runtime.preprocess.base import Array, Feature, Row, category, number, stack


class Tabular:
    """`numbers` float32 [B, n], missing = mean; `categories` int64 [B, m], 0 = unseen or missing."""

    def __init__(self, settings: dict[str, Any], folder: Path) -> None:  # noqa: ARG002 - one form for all kinds
        self.numbers: dict[str, dict[str, float]] = settings["numbers"]
        self.categories: dict[str, dict[str, int]] = {
            name: {v: index + 1 for index, v in enumerate(values)} for name, values in settings["categories"].items()
        }
        self.names: tuple[str, ...] = (
            *(["numbers"] if self.numbers else []),
            *(["categories"] if self.categories else []),
        )

    def features(self, rows: Sequence[Row]) -> list[Feature]:
        """Standardised numbers and category indices of each row."""
        return [self._feature(row, index) for index, row in enumerate(rows)]

    def _feature(self, row: Row, index: int) -> Feature:
        feature: Feature = {}
        if self.numbers:
            scaled = [self._scaled(number(row, name, index), fit) for name, fit in self.numbers.items()]
            feature["numbers"] = np.asarray(scaled, dtype=np.float32)
        if self.categories:
            words = {name: category(row, name, index) for name in self.categories}
            found = [0 if word is None else self.categories[name].get(word, 0) for name, word in words.items()]
            feature["categories"] = np.asarray(found, dtype=np.int64)
        return feature

    @staticmethod
    def _scaled(found: float, fit: dict[str, float]) -> float:
        # Beyond float32 the model would see infinity; six digits of standard deviations say as much.
        return 0.0 if math.isnan(found) else max(-1e6, min(1e6, (found - fit["mean"]) / fit["std"]))

    def collate(self, features: Sequence[Feature]) -> dict[str, Array]:
        """Rows below each other."""
        return {name: stack(features, name) for name in self.names}

    def length(self, feature: Feature) -> int:  # noqa: ARG002
        """Rows do not differ in length."""
        return 1
