"""What a detector remembers, as arrays and as JSON; where a change began, and when its evidence was enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from pydantic import JsonValue, TypeAdapter

from mlspec.monitoring.drift.arrays import Floats, Integers
from mlspec.monitoring.drift.evidence import DIRECTIONS, FRACTIONS
from mlspec.monitoring.drift.mean_interval import Moments

_NONE: Final = 1e300
"""Above every path."""
_ARRAYS: Final = ("sums", "path", "lowest", "origin_row", "origin_time", "origin_moments", "moments")


@dataclass(frozen=True)
class Origin:
    """Where a change began: the first row after the change, its time, and what was counted before it."""

    row: int
    time: float
    before: Moments


@dataclass(frozen=True)
class Crossing:
    """The evidence of a column reached the threshold."""

    column: int
    stream: int
    direction: int
    evidence: float
    row: int
    time: float
    origin: Origin
    ids: tuple[str, ...]
    counted: Moments | None = None
    """Of all values of the stream up to this row; None in states that earlier versions saved."""


@dataclass
class DetectorState:
    """Everything that a detector remembers. Arrays are by stream, or by stream and direction."""

    row: int
    sums: Floats
    path: Floats
    """The logarithm of the product of the bets that date a change."""
    lowest: Floats
    """The lowest `path` so far: a change began after it."""
    origin_row: Integers
    origin_time: Floats
    origin_moments: Floats
    """Count, sum and sum of squares before the change, as the last axis."""
    moments: Floats
    recent: list[list[tuple[str, ...]]]
    """The ids of the last rows on either side of the mean."""

    @classmethod
    def empty(cls, streams: int) -> DetectorState:
        """Before the first row."""
        shape = (streams, DIRECTIONS)
        return cls(
            0,
            np.zeros((*shape, len(FRACTIONS))),
            np.zeros(shape),
            np.full(shape, _NONE),
            np.zeros(shape, dtype=np.int64),
            np.zeros(shape),
            np.zeros((*shape, 3)),
            np.zeros((streams, 3)),
            [[() for _ in range(DIRECTIONS)] for _ in range(streams)],
        )

    def forget(self, streams: Integers) -> None:
        """Start again with some streams: after an alarm."""
        self.sums[streams] = 0.0
        self.path[streams] = 0.0
        self.lowest[streams] = _NONE

    def to_json(self) -> dict[str, JsonValue]:
        """Plain lists; NaN is null."""
        arrays = {name: _plain(getattr(self, name)) for name in _ARRAYS}
        recent: list[JsonValue] = [[list(row) for row in rows] for rows in self.recent]
        return {"row": self.row, **arrays, "recent": recent}

    @classmethod
    def from_json(cls, document: dict[str, JsonValue]) -> DetectorState:
        """From `to_json`. Raises ValueError for what is not a state."""
        row, recent = _ROW.validate_python(document.get("row")), _RECENT.validate_python(document.get("recent"))
        empty = cls.empty(len(recent))
        arrays = {name: np.array(document.get(name), dtype=getattr(empty, name).dtype) for name in _ARRAYS}
        if any(array.shape != getattr(empty, name).shape for name, array in arrays.items()):
            raise ValueError("the arrays of the state have different sizes")
        return cls(row=row, recent=recent, **arrays)


_ROW: Final = TypeAdapter(int)
_RECENT: Final = TypeAdapter(list[list[tuple[str, ...]]])


def _plain(array: Floats | Integers) -> JsonValue:
    plain = array.astype(object)
    plain[np.isnan(array)] = None
    values: list[JsonValue] = plain.tolist()
    return values
