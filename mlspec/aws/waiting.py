"""Waiting for what AWS does on its own time, with growing pauses and an end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from mlspec.errors import StageError

T = TypeVar("T")
LONGEST_PAUSE = 5.0


def until(
    look: Callable[[], T | None],
    what: str,
    *,
    seconds: float = 300.0,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """What `look` gives once it gives something. Raises StageError after `seconds`; `what` ends "waited for ..."."""
    end, step = clock() + seconds, 0.2
    while (found := look()) is None:
        if clock() + step > end:
            message = f"waited {seconds:.0f} s for {what}"
            raise StageError(message, help="AWS is slow today; mlspec apply goes on from here")
        pause(step)
        step = min(LONGEST_PAUSE, step * 1.6)
    return found
