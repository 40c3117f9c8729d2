"""Whether a larger batch still fits in the memory of a machine that does not refuse an allocation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Final

import psutil

SHARE: Final = 0.8
"""Largest share of the available memory that a batch may take: beyond it the system swaps, or kills the process."""
PAUSE: Final = 0.005
"""Seconds between two readings of the memory."""


def resident() -> int:
    """The bytes of memory that this process has now. The most it ever had would hide what a trial takes."""
    return int(psutil.Process().memory_info().rss)


class HostMemory:
    """Predicts the memory of a batch from that of smaller ones: on a CPU a batch too large is killed, not refused."""

    def __init__(self, available: int, used: Callable[[], int]) -> None:
        """`used` returns the bytes that this process has now."""
        self.available, self._used = available, used
        self._before = used()
        self._each = 0.0

    def allows(self, rows: int) -> bool:
        """Whether a batch of that many rows is expected to fit."""
        return self._each * rows <= SHARE * self.available

    def measured(self, rows: int, trial: Callable[[], bool]) -> bool:
        """The result of training on a batch of that many rows, from whose memory this learns."""
        with watched(self._used) as readings:
            result = trial()
        self._each = max(0, max(readings) - self._before) / rows
        return result


@contextmanager
def watched(used: Callable[[], int]) -> Iterator[list[int]]:
    """Readings of the memory while the body runs, from a thread; torch lets it run during its operations."""
    readings, ended = [used()], Event()

    def watch() -> None:
        while not ended.wait(PAUSE):
            readings[0] = max(readings[0], used())

    thread = Thread(target=watch, name="mlspec-memory", daemon=True)
    thread.start()
    try:
        yield readings
    finally:
        ended.set()
        thread.join()
        readings[0] = max(readings[0], used())
