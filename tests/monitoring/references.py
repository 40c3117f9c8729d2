"""A reference of the model in `log_lines`, from numbers instead of files."""

from __future__ import annotations

import numpy as np

from mlspec.monitoring.baseline.quantile_grid import QuantileGrid
from mlspec.monitoring.baseline.reference import (
    CategoryReference,
    ClassReference,
    NumberReference,
    Reference,
    TextReference,
    pack,
    word_hash,
)


def grid(seed: int, rows: int = 5000, mean: float = 0.0, deviation: float = 1.0) -> QuantileGrid:
    return QuantileGrid.of(np.random.default_rng(seed).normal(mean, deviation, rows))


REFERENCE = Reference(
    digest="0123456789abcdef",
    rows=5000,
    columns={
        "age": NumberReference(missing=100, values=grid(0, 4900, 40, 10)),
        "town": CategoryReference(
            missing=0,
            counts={"Bonn": 3000, "Köln": 1900},
            other=100,
            other_values=pack([word_hash("Trier")]),
            singletons=0,
        ),
        "sentence": TextReference(missing=0, characters=grid(1, 5000, 30, 5), words=grid(2, 5000, 6, 1)),
    },
    classes=ClassReference(
        labels=("no", "yes"),
        score=grid(3, 1000, 0.7, 0.05),
        probabilities={"no": grid(4, 1000, 0.4, 0.1), "yes": grid(5, 1000, 0.6, 0.1)},
        confusion=((300, 100), (100, 500)),
    ),
)
SLICED = REFERENCE.model_copy(
    update={
        "digest": "00000000000051ce",
        "tested": {"town": "town"},
        "slice_errors": {
            "town": {town: QuantileGrid.of((np.arange(600) < 120).astype(np.float64)) for town in ("Bonn", "Köln")}
        },
    }
)
"""The same with the errors in two of the towns on the test split."""
