"""What a process has lost, by reason, in `FOLDER/dropped/DAY/PROCESS.jsonl`, where `mlspec monitor` reads it.

A line has what was lost since the one before. While the disk is full, it is kept for the next time.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

DROPPED_SECONDS: Final = 10.0
"""Shortest time between two lines."""


class DropNotes:
    """The file of one process. `key` is the place where the records are missing. Not thread-safe."""

    def __init__(
        self,
        folder: Path,
        process: str,
        key: str,
        lost: Callable[[], Mapping[str, int]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`lost` returns how many records this process has lost so far, by reason."""
        self._folder, self._process, self._key = folder / "dropped", process, key
        self._lost, self._clock = lost, clock
        self._noted, self._next = dict[str, int](), -math.inf

    def tick(self) -> None:
        """Write what is new, if it is time for it."""
        if self._clock() >= self._next:
            self.write()

    def write(self) -> None:
        """Append what was lost since the last line. Never raises for a disk that fails."""
        lost = self._lost()
        new = {reason: more for reason, count in lost.items() if (more := count - self._noted.get(reason, 0))}
        if not new:
            return
        now = datetime.now(UTC)
        path = self._folder / now.date().isoformat() / f"{self._process}.jsonl"
        line = json.dumps({"time": now.isoformat(), self._key: new}).encode() + b"\n"
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
            try:
                before = os.fstat(file).st_size
                if os.write(file, line) == len(line):
                    self._noted = dict(lost)
                else:
                    os.ftruncate(file, before)
            finally:
                os.close(file)
        self._next = self._clock() + DROPPED_SECONDS
