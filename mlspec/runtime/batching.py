"""Rows that wait for the model, and which of them go next, together. No threads, no clock, no model.

A row is never held back to fill a batch: batches form because rows wait while the model is busy.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mlspec.runtime.service import Asked

OVERHEAD: Final = 6
"""What one run costs beside its tokens, in tokens: measured on a transformer of 22M parameters."""
_WINDOW = 64
"""Rows from the head of the queue among which those of like length are looked for."""


@dataclass(eq=False, slots=True)
class BatchJob:
    """One request in the queue: its predictions as they come, in the order of its rows."""

    asked: Asked
    found: list[Any]
    left: int
    error: BaseException | None = None
    gone: bool = False
    """The caller has hung up; what it still waits for need not be computed."""

    @classmethod
    def of(cls, asked: Asked) -> BatchJob:
        """The job of a request, with nothing found so far."""
        count = len(asked.work.rows)
        return cls(asked, [None] * count, count)


@dataclass(order=True, slots=True)
class Item:
    """One row: `turn` orders the queue, so that a request of many rows lets others pass between them."""

    turn: int
    number: int
    job: BatchJob = field(compare=False)
    position: int = field(compare=False)
    length: int = field(compare=False)
    prepared: Any = field(compare=False)


class Waiting:
    """The queue."""

    def __init__(self) -> None:
        self._items: list[Item] = []
        self._turn = 0
        self._number = 0

    def __len__(self) -> int:
        return len(self._items)

    def add(self, job: BatchJob) -> None:
        """The rows of one request. Its first row comes after the first rows of those before it, its second later."""
        for position, (length, prepared) in enumerate(job.asked.work.rows):
            self._number += 1
            insort(self._items, Item(self._turn + position, self._number, job, position, length, prepared))

    def take(self, most: int) -> list[Item]:
        """At most that many rows: the one that is next, and those near it in length that are cheaper with it."""
        while self._items and self._items[0].job.gone:
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
    """The first of `items` and others that cost less in one batch with it than in a run of their own.

    A batch costs its rows times the longest; from the first row's place in the order of lengths it grows to that side
    which adds less, as long as what it adds, padding included, is below the row's own tokens and the overhead of a run.
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
