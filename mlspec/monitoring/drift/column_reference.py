"""What drift needs to know of the data that the model was trained on, by column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from mlspec.monitoring.baseline.quantile_grid import QuantileGrid
from mlspec.monitoring.baseline.reference import (
    CategoryReference,
    ClassReference,
    ColumnDistribution,
    Hashes,
    ImageReference,
    NumberReference,
    Reference,
    TextReference,
    unpack,
)
from mlspec.monitoring.drift.arrays import Floats
from mlspec.monitoring.drift.domain_classifier import BATCH


@dataclass(frozen=True)
class ColumnReference:
    """One column: `points` of a number, `shares` of a category, neither of a share in 0..1.

    A share (of the words of a text that are not in the vocabulary) is compared by its mean.
    """

    name: str
    kind: Literal["number", "category", "share"]
    rows: int
    missing: float = 0.0
    points: Floats = field(default_factory=lambda: np.empty(0))
    shares: Mapping[str, float] = field(default_factory=dict)
    other: Hashes = field(default_factory=lambda: np.empty(0, dtype=np.uint32))
    unseen: float = 0.0
    """The expected share of values in categories that the reference does not have, on data like it."""
    mean: float = 0.0
    deviation: float = 0.0

    @classmethod
    def of_grid(cls, name: str, grid: QuantileGrid, missing: int = 0) -> ColumnReference:
        """A number."""
        rows = grid.count + missing
        share = missing / max(rows, 1)
        return cls(name, "number", rows, share, np.array(grid.points), mean=grid.mean, deviation=grid.deviation)

    @classmethod
    def of_share(cls, name: str, grid: QuantileGrid) -> ColumnReference:
        """A share in 0..1."""
        return cls(name, "share", grid.count, mean=grid.mean, deviation=grid.deviation)

    @classmethod
    def of_pairs(cls, name: str, sample: int) -> ColumnReference:
        """The share of pairs in which a classifier recognises the live text."""
        return cls(name, "share", sample, mean=0.5, deviation=0.5)

    @classmethod
    def of_counts(cls, name: str, column: CategoryReference) -> ColumnReference:
        """A category."""
        total = max(column.count, 1)
        shares = {value: rows / total for value, rows in column.counts.items()}
        missing = column.missing / max(column.rows, 1)
        other = unpack(column.other_values)
        return cls(name, "category", column.rows, missing, shares=shares, other=other, unseen=column.unseen)

    @classmethod
    def of_numbers(cls, name: str, values: Floats) -> ColumnReference:
        """A number, from the values themselves; NaN is missing."""
        return cls.of_grid(name, QuantileGrid.of(values), int(np.sum(np.isnan(values))))

    @classmethod
    def of_categories(cls, name: str, values: Sequence[str | None]) -> ColumnReference:
        """A category, from the values themselves; None is missing."""
        present = np.array([v for v in values if v is not None], dtype=np.str_)
        names, counts = np.unique(present, return_counts=True)
        rows = {str(n): int(c) for n, c in zip(names, counts, strict=True)}
        once = int(np.sum(counts == 1))
        column = CategoryReference(missing=len(values) - len(present), counts=rows, singletons=once)
        return cls.of_counts(name, column)


def reference_columns(reference: Reference, inputs: Sequence[str] = ()) -> tuple[ColumnReference, ...]:
    """The columns of the prediction log that can be compared: of `inputs` (default: all), and of the predictions."""
    chosen = {name: column for name, column in reference.columns.items() if not inputs or name in inputs}
    return (*input_columns(chosen), *_predictions(reference))


def input_columns(columns: Mapping[str, ColumnDistribution]) -> tuple[ColumnReference, ...]:
    """The columns of the prediction log that can be compared, of these inputs."""
    return tuple(column for name, known in columns.items() for column in _input(name, known))


def _input(name: str, column: ColumnDistribution) -> Iterator[ColumnReference]:
    match column:
        case NumberReference():
            yield ColumnReference.of_grid(f"input.{name}", column.values, column.missing)
        case CategoryReference():
            yield ColumnReference.of_counts(f"input.{name}", column)
        case TextReference():
            yield ColumnReference.of_grid(f"characters.{name}", column.characters, column.missing)
            yield ColumnReference.of_grid(f"words.{name}", column.words)
            if column.unseen.count:
                yield ColumnReference.of_share(f"unseen.{name}", column.unseen)
            texts = len(column.sample)
            if texts >= BATCH:  # the classifier learns from so many at a time
                yield ColumnReference.of_pairs(f"domain.{name}", texts)
        case ImageReference():
            yield ColumnReference.of_grid(f"mean.{name}", column.mean, column.missing)
            yield ColumnReference.of_grid(f"contrast.{name}", column.contrast)


def _predictions(reference: Reference) -> Iterator[ColumnReference]:
    if reference.classes is not None:
        yield ColumnReference.of_grid("score", reference.classes.score)
        yield _labels(reference.classes)
    if reference.values is not None:
        yield ColumnReference.of_grid("value", reference.values.value)


def _labels(classes: ClassReference) -> ColumnReference:
    """The predicted labels. One that was never predicted is not unseen: its share is 0."""
    return ColumnReference.of_counts("label", CategoryReference(missing=0, counts=classes.predicted))
