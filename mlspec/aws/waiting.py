"""Polls until AWS has finished something, with growing pauses and a time limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from mlspec.errors import StageError

T = TypeVar("T")
LONGEST_PAUSE = 5.0


def until(
    poll: Callable[[], T | None],
    what: str,
    *,
    seconds: float = 300.0,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """The first value of `poll` that is not None. Raises StageError after `seconds`; `what` completes "waiting for"."""
    end, step = clock() + seconds, 0.2
    while (value := poll()) is None:
        if clock() + step > end:
            message = f"timed out after {seconds:.0f} s waiting for {what}"
            raise StageError(message, help="run `mlspec apply` again to resume")
        pause(step)
        step = min(LONGEST_PAUSE, step * 1.6)
    return value
