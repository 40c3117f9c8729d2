"""What drift needs to know of the data that the model was trained on, by column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from mlspec.monitoring.drift.arrays import Floats


@dataclass(frozen=True)
class ColumnReference:
    """One column of the reference: `quantiles` of a number, `shares` of a category, neither of a share in 0..1.

    A share (the words of a text that are not in the vocabulary, the contrast of an image) is compared by its mean.
    """

    name: str
    kind: Literal["number", "category", "share"]
    rows: int
    missing: float = 0.0
    quantiles: Floats = field(default_factory=lambda: np.empty(0))
    shares: Mapping[str, float] = field(default_factory=dict)
    unseen: float = 0.0
    """The expected share of values in categories that the reference does not have, on data like it."""
    mean: float = 0.0
    deviation: float = 0.0

    @classmethod
    def of_numbers(cls, name: str, values: Floats, points: int = 1025) -> ColumnReference:
        """From the values themselves; NaN is missing."""
        present = values[~np.isnan(values)]
        levels = np.linspace(0, 1, min(points, max(len(present), 2)))
        quantiles = np.quantile(present, levels) if len(present) else np.empty(0)
        moments = (float(np.mean(present)), float(np.std(present))) if len(present) else (0.0, 0.0)
        missing = 1 - len(present) / max(len(values), 1)
        return cls(name, "number", len(values), missing, quantiles, mean=moments[0], deviation=moments[1])

    @classmethod
    def of_categories(cls, name: str, values: list[str | None]) -> ColumnReference:
        """From the values themselves; None is missing.

        The share of values that occur once is the expected share of values never seen before (Good-Turing).
        """
        present = np.array([v for v in values if v is not None], dtype=np.str_)
        names, counts = np.unique(present, return_counts=True)
        total = max(len(present), 1)
        shares = {str(n): float(c) / total for n, c in zip(names, counts, strict=True)}
        missing = 1 - len(present) / max(len(values), 1)
        return cls(name, "category", len(values), missing, shares=shares, unseen=float(np.sum(counts == 1)) / total)

    @classmethod
    def of_shares(cls, name: str, values: Floats) -> ColumnReference:
        """From the values themselves; NaN is missing."""
        present = values[~np.isnan(values)]
        moments = (float(np.mean(present)), float(np.std(present))) if len(present) else (0.0, 0.0)
        missing = 1 - len(present) / max(len(values), 1)
        return cls(name, "share", len(values), missing, mean=moments[0], deviation=moments[1])
