"""The queue of rows for the model, and the selection of the next batch. No threads, no clock, no model.

A row never waits to fill a batch: batches form because rows queue while the model is busy.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from mlspec.runtime.predictor import Prediction
from mlspec.runtime.preprocess.base import Feature
from mlspec.runtime.service import PendingRequest

OVERHEAD: Final = 6
"""The fixed cost of a run in tokens, measured on a transformer with 22M parameters."""
_WINDOW = 64
"""Number of rows at the head of the queue among which rows of similar length are selected."""


@dataclass(eq=False, slots=True)
class BatchJob:
    """One request in the queue, with its predictions in the order of its rows."""

    pending: PendingRequest
    predictions: list[Prediction | None]
    left: int
    error: Exception | None = None
    cancelled: bool = False
    """Whether the client has disconnected; its remaining rows are not computed."""

    @classmethod
    def of(cls, pending: PendingRequest) -> BatchJob:
        """The job of a request, without predictions."""
        count = len(pending.work.rows)
        return cls(pending, [None] * count, count)


@dataclass(order=True, slots=True)
class Item:
    """One row; `turn` orders the queue, so that the rows of a large request interleave with other requests."""

    turn: int
    number: int
    job: BatchJob = field(compare=False)
    position: int = field(compare=False)
    length: int = field(compare=False)
    prepared: Feature = field(compare=False)


class Waiting:
    """The queue."""

    def __init__(self) -> None:
        self._items: list[Item] = []
        self._turn = 0
        self._number = 0

    def __len__(self) -> int:
        return len(self._items)

    def add(self, job: BatchJob) -> None:
        """Queue the rows of a request: row n after row n of the requests before it."""
        for position, (length, prepared) in enumerate(job.pending.work.rows):
            self._number += 1
            insort(self._items, Item(self._turn + position, self._number, job, position, length, prepared))

    def take(self, most: int) -> list[Item]:
        """Remove and return up to `most` rows: the first of the queue, and rows of similar length."""
        while self._items and self._items[0].job.cancelled:
            del self._items[0]
        if not self._items:
            return []
        window = self._items[:_WINDOW]
        self._turn = max(self._turn, window[0].turn)
        chosen = together(window, most)
        taken = {item.number for item in chosen}
        self._items[:_WINDOW] = [item for item in window if item.number not in taken]
        return chosen


def together(items: Sequence[Item], most: int) -> list[Item]:
    """The first of `items`, and others that cost less in its batch than in a separate run.

    The cost of a batch is its rows times the longest length. Sorted by length, the batch grows from the first item to
    the cheaper side, while the added cost including padding is below the row's tokens plus the overhead of a run.
    """
    if len(items) == 1 or most == 1:
        return [items[0]]
    ordered = sorted(items, key=lambda item: item.length)
    low = high = ordered.index(items[0])
    while high - low + 1 < most:
        count, longest = high - low + 1, ordered[high].length
        options = []
        if low > 0:
            options.append((longest - OVERHEAD - ordered[low - 1].length, low - 1))
        if high + 1 < len(ordered):
            length = ordered[high + 1].length
            options.append(((count + 1) * length - count * longest - length - OVERHEAD, high + 1))
        if not options or min(options)[0] > 0:
            break
        low, high = min(low, min(options)[1]), max(high, min(options)[1])
    return ordered[low : high + 1]
