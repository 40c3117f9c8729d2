"""Access log with one JSON line per request, written by a separate thread, so that slow output delays no response."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from typing import Final

from mlspec.runtime.json_text import written

_SECONDS = 0.1
_MOST: Final = 10_000
"""Maximum number of buffered lines; when it is exceeded, the oldest are dropped."""

Entry = tuple[str, str, str, int, float]


class AccessLog:
    """Logs method, path, status and duration of requests; never bodies, queries or headers."""

    def __init__(self) -> None:
        self._entries: deque[tuple[float, Entry]] = deque(maxlen=_MOST)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def note(self, request_id: str, method: str, path: str, status: int, seconds: float) -> None:
        """Add an entry for an answered request; `seconds` is the duration."""
        self._entries.append((time.time(), (request_id, method, path, status, seconds)))

    def close(self) -> None:
        """Write the remaining lines and stop the thread."""
        self._stop.set()
        self._thread.join(2)

    def _run(self) -> None:
        while not self._stop.wait(_SECONDS):
            self._write()
        self._write()

    def _write(self) -> None:
        lines = []
        while self._entries:
            lines.append(_line(*self._entries.popleft()))
        if lines:
            sys.stdout.write("".join(lines))
            sys.stdout.flush()


def _line(at: float, entry: Entry) -> str:
    request_id, method, path, status, seconds = entry
    entry_ = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)), "request_id": request_id, "method": method,
            "path": path[:200], "status": status, "ms": round(seconds * 1000, 2)}  # fmt: skip
    return written(entry_).decode() + "\n"
