"""Numbers as a grid of quantiles and a histogram over quantile bins: a distribution in a few kilobytes."""

from __future__ import annotations

from typing import Final, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from mlspec.records.record_file import Finite, Value

Floats = npt.NDArray[np.float64]
POINTS: Final = 1025
"""Points of the grid; with fewer values it has each of them."""
BINS: Final = 64
"""Bins of equal shares. A value with the share of a bin or more, and the values below it, have bins of their own."""


class QuantileGrid(Value):
    """A distribution of finite numbers. Without values all fields are empty or 0."""

    points: tuple[Finite, ...] = Field((), description="Quantiles, ascending; of few values each one, ties included")
    edges: tuple[Finite, ...] = Field((), description="Inner edges of the bins; bin i has edges[i-1] <= x < edges[i]")
    counts: tuple[int, ...] = Field((), description="Values in each bin, one more than edges")
    mean: Finite = Field(0.0, description="Mean")
    deviation: Finite = Field(0.0, description="Standard deviation")

    @property
    def count(self) -> int:
        """The number of values."""
        return sum(self.counts)

    @classmethod
    def of(cls, values: Floats) -> Self:
        """The distribution of `values`; NaN and infinite values are ignored."""
        finite = np.asarray(values, dtype=np.float64)
        finite = finite[np.isfinite(finite)]
        if not finite.size:
            return cls()
        levels = (np.arange(min(POINTS, finite.size)) + 0.5) / min(POINTS, finite.size)
        points = np.quantile(finite, levels, method="inverted_cdf")
        edges = _edges(finite)
        return cls(
            points=tuple(points.tolist()),
            edges=tuple(edges.tolist()),
            counts=tuple(np.bincount(bins(finite, edges), minlength=len(edges) + 1).tolist()),
            mean=float(finite.mean()),
            deviation=float(finite.std()),
        )


def _edges(values: Floats) -> Floats:
    """Inner edges. Without bins for frequent values, what replaces a constant would be in the bin of the constant."""
    quantiles = np.quantile(values, np.arange(1, BINS) / BINS, method="inverted_cdf")
    distinct, counts = np.unique(values, return_counts=True)
    frequent = distinct[(counts > 1) & (counts * BINS >= values.size)]
    after = np.nextafter(frequent, np.inf)
    edges: Floats = np.unique(np.concatenate([quantiles[quantiles > distinct[0]], frequent, after[np.isfinite(after)]]))
    return edges


def bins(values: Floats, edges: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """The bin of each value: values below the first edge in bin 0, and from the last edge on in the last bin."""
    return np.searchsorted(np.asarray(edges, dtype=np.float64), values, side="right").astype(np.int64)
