"""The prediction log: answered requests wait in a bounded queue, and a thread encodes and writes them.

`add` never waits, fails or does I/O. What does not fit into the queue or cannot be written is dropped and counted.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from mlspec.runtime.log_counts import LogCounts
from mlspec.runtime.prediction_record import AnsweredRequest, Lines, RecordEncoder

MAX_ROWS: Final = 50_000
"""Maximum number of rows in the queue."""
MAX_BYTES: Final = 64 * 2**20
"""Maximum total size of the request bodies in the queue, in bytes."""
_TURN: Final = 64
"""Requests that are encoded before the thread gives way to the threads that answer requests."""
_GIVE_WAY: Final = 0.0002
_CLOSING: Final = 10.0
"""Seconds that `close` waits for the thread: a disk that hangs must not prevent the exit."""


class Sink(Protocol):
    """Where lines go."""

    @property
    def name(self) -> str:
        """The name in metrics and messages."""

    def write(self, day: str, lines: Sequence[bytes]) -> None:
        """Write the lines of a day, all or none. Raises OSError."""

    def tick(self) -> None:
        """Called regularly. Raises OSError."""

    def close(self) -> None:
        """Complete what was written. Raises OSError."""


class PredictionLog:
    """The log of one process. `add` is thread-safe."""

    def __init__(
        self,
        encoder: RecordEncoder,
        sinks: Sequence[Sink],
        counts: LogCounts,
        *,
        flush: float = 1.0,
        max_rows: int = MAX_ROWS,
        max_bytes: int = MAX_BYTES,
        report: Callable[[str], None] | None = None,
    ) -> None:
        self.counts = counts
        self._encoder, self._sinks, self._flush = encoder, tuple(sinks), flush
        self._max_rows, self._max_bytes, self._say = max_rows, max_bytes, report or say
        self._lock, self._draining, self._wake = threading.Lock(), threading.Lock(), threading.Event()
        self._waiting: list[AnsweredRequest] = []
        self._rows = self._bytes = 0
        self._broken: dict[str, int] = {}
        self._thread: threading.Thread | None = None
        self._stopping = False

    def add_sink(self, sink: Sink) -> None:
        """Write to `sink` too. Call it before `start`."""
        self._sinks = (*self._sinks, sink)

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    def add(self, request: AnsweredRequest) -> None:
        """Queue an answered request; drop and count it if the queue is full."""
        rows = len(request.rows) or 1
        with self._lock:
            if self._rows + rows > self._max_rows or (self._rows and self._bytes + request.size > self._max_bytes):
                self.counts.dropped("queue_full", rows)
                return
            self._waiting.append(request)
            self._rows += rows
            self._bytes += request.size
            full = self._rows * 2 > self._max_rows or self._bytes * 2 > self._max_bytes
        if full:
            self._wake.set()

    def flush(self) -> None:
        """Encode and write everything in the queue, in this thread."""
        with self._draining:
            self._drain(lambda: None)

    def close(self) -> None:
        """Write what is in the queue, complete the files and stop the thread."""
        self._stopping = True
        self._wake.set()
        if self._thread is None:
            self._finish()
        else:
            self._thread.join(_CLOSING)

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(self._flush / 2)
            self._wake.clear()
            with self._draining:
                self._drain(_give_way)
        self._finish()

    def _finish(self) -> None:
        self.flush()
        for sink in self._sinks:
            self._attempt(sink, sink.close, 0)

    def _drain(self, give_way: Callable[[], None]) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
            self._rows = self._bytes = 0
        for start in range(0, len(waiting), _TURN):
            some = waiting[start : start + _TURN]
            self.counts.observe(some)
            if self._sinks:
                for day, lines in self._by_day(some):
                    self._write(day, lines)
            give_way()
        for sink in self._sinks:
            self._attempt(sink, sink.tick, 0)

    def _by_day(self, requests: Sequence[AnsweredRequest]) -> Iterator[tuple[str, list[bytes]]]:
        """The encoded requests; consecutive ones of one day together."""
        if (alike := self._alike(requests)) is not None:
            yield alike
            return
        day = ""
        lines: list[bytes] = []
        for request in requests:
            if (encoded := self._encoded(request)) is None:
                continue
            if encoded.day != day and lines:
                yield day, lines
                lines = []
            day = encoded.day
            lines += encoded.lines
        if lines:
            yield day, lines

    def _alike(self, requests: Sequence[AnsweredRequest]) -> Lines | None:
        """The lines of all requests, if they can be encoded together."""
        try:
            return self._encoder.alike(requests)
        except Exception:  # noqa: BLE001 - encoded one by one, the request that fails is reported
            return None

    def _encoded(self, request: AnsweredRequest) -> Lines | None:
        try:
            lines = self._encoder.lines(request)
        except Exception as error:  # noqa: BLE001 - one request must not stop the log
            self._failed("encoder", f"{type(error).__name__}: {error}", len(request.rows) or 1)
            return None
        self._worked("encoder")
        return lines

    def _write(self, day: str, lines: Sequence[bytes]) -> None:
        for sink in self._sinks:
            if self._attempt(sink, lambda sink=sink: sink.write(day, lines), len(lines)):  # type: ignore[misc]
                self.counts.written(sink.name, len(lines))
                self._worked(sink.name)

    def _attempt(self, sink: Sink, act: Callable[[], None], lines: int) -> bool:
        """Whether the action succeeded; a failure loses that many lines."""
        try:
            act()
        except (OSError, ValueError) as error:  # ValueError: the stream is closed
            self.counts.failed(sink.name)
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self._failed(sink.name, reason, lines)
            return False
        return True

    def _failed(self, name: str, reason: str, lines: int) -> None:
        """Count lost lines; report the first failure of a row of them."""
        if lines:
            self.counts.dropped("write_error", lines)
        if name not in self._broken:
            self._say(f"prediction log ({name}): {reason}; predictions continue and are not logged")
        self._broken[name] = self._broken.get(name, 0) + lines

    def _worked(self, name: str) -> None:
        if self._broken and (lost := self._broken.pop(name, None)) is not None:
            self._say(f"prediction log ({name}): writing again; {lost} records were lost")


def _give_way() -> None:
    time.sleep(_GIVE_WAY)


def say(message: str) -> None:
    """Print a line to stderr, if it can be written."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(message + "\n")
        sys.stderr.flush()
