"""The largest batch that fits: the algorithms of Lightning's batch size finder, without its training loop.

Lightning's own changes an attribute of a running Trainer. Here each trial has a new module and Trainer instead, because
CUDA graphs are recorded for one batch size, and because its batches are random: with batches sorted by length few of
them have the longest rows, which decide what fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import Literal

from mlspec.learning.batches import Buckets

Fits = Callable[[int], bool]


def search(fits: Fits, mode: Literal["power", "binsearch"], start: int, most: int) -> tuple[int, bool] | None:
    """The largest batch size up to `most` for which `fits` holds, and whether a larger one did not fit.

    `power` only tries `start` times powers of two. None if not even one row fits.
    """
    low, high = _doubled(fits, min(start, most), most)
    if not low:
        return None
    if mode == "binsearch":
        above = most + 1 if high is None else high
        while above - low > 1:
            middle = most if high is None and above > most else (low + above) // 2
            if fits(middle):
                low = middle
            else:
                above = high = middle
    return low, high is not None


def _doubled(fits: Fits, start: int, most: int) -> tuple[int, int | None]:
    """The last size that fits and the first that does not: doubled while it fits, or halved until it does."""
    size, high = start, None
    while size and not fits(size):
        size, high = size // 2, size
    if high is None:
        while size * 2 <= most:
            if not fits(size * 2):
                return size, size * 2
            size *= 2
    return size, high


class LongestRows(Buckets):
    """The same batch several times: the longest rows, repeated if there are fewer than the batch has."""

    def __init__(self, lengths: Sequence[int], batch_size: int, count: int) -> None:
        super().__init__(lengths, batch_size, 0)
        order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
        self.batch = [order[at % len(order)] for at in range(batch_size)]
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[list[int]]:
        """The batches."""
        return repeat(self.batch, self.count)
