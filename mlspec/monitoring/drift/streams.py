"""The columns of a reference to streams of values in 0..1, whose means are known as long as nothing changes."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal, TypeAlias

import numpy as np

from mlspec.monitoring.baseline.reference import Hashes, Reference, TextReference, unpack
from mlspec.monitoring.drift.arrays import Booleans, Floats, Integers
from mlspec.monitoring.drift.column_reference import ColumnReference, reference_columns
from mlspec.monitoring.drift.evidence import Bets
from mlspec.monitoring.drift.live_rows import LiveRows
from mlspec.monitoring.drift.positions import (
    MISSING,
    UNSEEN,
    CategoryPositions,
    NumberPositions,
    by_share,
    uniform_draws,
)

Kind: TypeAlias = Literal["value", "spread", "missing", "unseen", "category", "share"]

REFERENCE_ERRORS: Final = 3.5
"""The tolerance is at least this many standard errors of the reference, which is a sample too."""
MOST_CATEGORIES: Final = 8
"""The most frequent categories have streams of their own."""
_SHARES: Final[Mapping[str, Mapping[Kind, float]]] = {
    "number": {"value": 0.8, "spread": 0.12, "missing": 0.08},
    "category": {"value": 0.35, "category": 0.35, "unseen": 0.2, "missing": 0.1},
    "share": {"share": 0.9, "missing": 0.1},
}
"""How the evidence of a column is weighted, by its kind and that of the stream."""


@dataclass(frozen=True)
class Stream:
    """Values in 0..1 of one column."""

    column: str
    kind: Kind
    mean: float
    tolerance: float
    weight: float
    """Its share in the evidence of the column."""
    category: str = ""
    """Of a stream that is 1 where a row has this category."""


@dataclass(frozen=True)
class Streams:
    """The streams of all columns, in a fixed order."""

    columns: tuple[ColumnReference, ...]
    tolerance: float
    samples: Mapping[str, Sequence[Hashes]] = field(default_factory=dict)
    """Texts of the reference by input, as word hashes."""

    @classmethod
    def of(cls, reference: Reference, tolerance: float, inputs: Sequence[str] = ()) -> Streams:
        """The streams of `inputs` (default: all) and of the predictions."""
        return cls(reference_columns(reference, inputs), tolerance, text_samples(reference))

    @cached_property
    def streams(self) -> tuple[Stream, ...]:
        """All streams, by column."""
        return tuple(stream for column in self.columns for stream in _streams(column, self.tolerance))

    @cached_property
    def bets(self) -> Bets:
        """The bets on all streams."""
        return Bets(np.array([s.mean for s in self.streams]), np.array([s.tolerance for s in self.streams]))

    @cached_property
    def column_of(self) -> Integers:
        """The index of the column of each stream."""
        names = {column.name: index for index, column in enumerate(self.columns)}
        return np.array([names[s.column] for s in self.streams], dtype=np.int64)

    @cached_property
    def weights(self) -> Floats:
        """By stream and column: evidence of streams times this is the evidence of columns."""
        result = np.zeros((len(self.streams), len(self.columns)))
        result[np.arange(len(self.streams)), self.column_of] = [s.weight for s in self.streams]
        return result

    @cached_property
    def _scales(self) -> dict[str, NumberPositions | CategoryPositions]:
        numbers: dict[str, NumberPositions | CategoryPositions] = {
            c.name: NumberPositions(c.points) for c in self.columns if c.kind == "number"
        }
        return numbers | {c.name: CategoryPositions(c.shares, c.other) for c in self.columns if c.kind == "category"}

    def values(self, rows: LiveRows, first: int) -> Floats:
        """The value of each stream (by row and stream), NaN where there is none. `first` numbers the first row."""
        numbers = np.arange(first, first + len(rows), dtype=np.int64)
        result = np.full((len(rows), len(self.streams)), np.nan)
        for column, indices in self._by_column:
            part = [self.streams[i] for i in indices]
            draws = uniform_draws(numbers, zlib.crc32(column.name.encode("utf-8", "surrogatepass")))
            if column.kind == "category" and column.name in rows.categories:
                result[:, indices] = self._category(column, part, rows.categories[column.name], draws)
            elif column.kind != "category" and column.name in rows.numbers:
                result[:, indices] = self._number(column, part, rows.numbers[column.name], draws)
        return result

    @cached_property
    def _by_column(self) -> tuple[tuple[ColumnReference, Integers], ...]:
        return tuple((column, np.flatnonzero(self.column_of == i)) for i, column in enumerate(self.columns))

    def _number(self, column: ColumnReference, part: Sequence[Stream], values: Floats, draws: Floats) -> Floats:
        scale = self._scales.get(column.name)
        positions = scale.positions(values, draws) if isinstance(scale, NumberPositions) else values
        by_kind: dict[str, Floats] = {
            "value": positions,
            "share": np.clip(values, 0, 1),
            "spread": 4 * (positions - 0.5) ** 2,
            "missing": np.isnan(values).astype(np.float64),
        }
        return np.stack([by_kind[s.kind] for s in part], axis=1)

    def _category(
        self, column: ColumnReference, part: Sequence[Stream], values: Sequence[object], draws: Floats
    ) -> Floats:
        scale = self._scales[column.name]
        assert isinstance(scale, CategoryPositions)
        indices = scale.indices(values)
        present: Booleans = indices != MISSING

        def stream(s: Stream) -> Floats:
            if s.kind == "value":
                return scale.positions(indices, draws)
            if s.kind == "missing":
                return (~present).astype(np.float64)
            place = UNSEEN if s.kind == "unseen" else scale.order.index(s.category)
            chosen: Floats = np.where(present, (indices == place).astype(np.float64), np.nan)
            return chosen

        return np.stack([stream(s) for s in part], axis=1)


def text_samples(reference: Reference) -> dict[str, Sequence[Hashes]]:
    """Texts of the test split by input, as word hashes."""
    texts = {name: c for name, c in reference.columns.items() if isinstance(c, TextReference)}
    return {name: [unpack(text) for text in c.sample] for name, c in texts.items()}


def _streams(column: ColumnReference, tolerance: float) -> Iterator[Stream]:
    shares = _SHARES[column.kind]
    present = max(column.rows * (1 - column.missing), 1.0)
    for kind, weight in shares.items():
        for category, mean, variance in _nulls(column, kind):
            rows = column.rows if kind == "missing" else present
            error = REFERENCE_ERRORS * (variance / max(rows, 1)) ** 0.5
            number = len(_frequent(column)) if kind == "category" else 1
            yield Stream(column.name, kind, mean, max(tolerance, error), weight / number, category)


def _nulls(column: ColumnReference, kind: Kind) -> Iterator[tuple[str, float, float]]:
    """The category, the mean and the variance of the streams of one kind on unchanged data."""
    if kind == "value":
        yield "", 0.5, 1 / 12
    elif kind == "spread":
        yield "", 1 / 3, 4 / 45
    elif kind == "share":
        yield "", column.mean, column.deviation**2
    elif kind == "missing":
        yield "", column.missing, _variance(column.missing, column.rows)
    elif kind == "unseen":
        yield "", column.unseen, _variance(column.unseen, column.rows)
    else:
        for category in _frequent(column):
            share = column.shares[category]
            yield category, share, _variance(share, column.rows)


def _variance(share: float, rows: int) -> float:
    """The variance of a share that was counted in `rows`: not 0 even for a share of 0."""
    smooth = (share * rows + 1) / (rows + 2)
    return smooth * (1 - smooth)


def _frequent(column: ColumnReference) -> tuple[str, ...]:
    return by_share(column.shares)[:MOST_CATEGORIES]
