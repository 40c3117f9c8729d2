"""Whether a larger batch still fits in the memory of a machine that does not refuse an allocation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

SHARE: Final = 0.8
"""Largest share of the available memory that a batch may take: beyond it the system swaps, or kills the process."""


class HostMemory:
    """Predicts the memory of a batch from that of smaller ones: on a CPU a batch too large is killed, not refused."""

    def __init__(self, available: int, used: Callable[[], int | None]) -> None:
        """`used` returns the most bytes that this process had so far, None if unknown."""
        self.available, self._used = available, used
        self._before = used() or 0
        self._each = 0.0

    def allows(self, rows: int) -> bool:
        """Whether a batch of that many rows is expected to fit."""
        return self._each * rows <= SHARE * self.available

    def measured(self, rows: int) -> None:
        """Learn from a batch that was trained on."""
        growth = (self._used() or 0) - self._before
        self._each = max(0, growth) / rows
