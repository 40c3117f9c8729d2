"""The prediction log: answered requests wait in a bounded queue, and a thread encodes and writes them.

Adding never waits, fails or does I/O. What does not fit into the queue or cannot be written is dropped and counted.
A small request of one row is queued as its line, see `received_lines.py`.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Final, Protocol

from mlspec.runtime.log_counts import LogCounts
from mlspec.runtime.prediction_record import AnsweredRequest, AnsweredValues, Lines, RecordEncoder
from mlspec.runtime.received_lines import ReceivedLines, ReceivedRequest

MAX_ROWS: Final = 50_000
"""Maximum number of rows in the queue."""
MAX_BYTES: Final = 64 * 2**20
"""Maximum total size of the request bodies in the queue, in bytes."""
_SMALL: Final = 1024
"""Maximum size in bytes of the texts of a small request: as many as the queue has rows do not exceed its bytes."""
_TOGETHER: Final = 128
"""Small requests whose lines are made together, which takes less time than one by one."""
_TURN: Final = 256
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
        """Write texts of one or more whole lines of a day, all or none. Raises OSError."""

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
        self._waiting: list[AnsweredValues] = []
        self._received = ReceivedLines(encoder, counts.categories)
        self._pending: deque[ReceivedRequest] = deque()
        self._small = _SMALL if encoder.as_received else -1
        self._together = max(1, min(_TOGETHER, max_rows // 4))
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

    def add(self, request: AnsweredValues) -> None:
        """Queue an answered request; drop and count it if the queue is full."""
        rows = len(request[6]) or 1
        if not self._put(request, rows, request[9]):
            self.counts.dropped("queue_full", rows)

    def add_received(self, request: ReceivedRequest) -> bool:
        """Queue a successful request of one row with its JSON texts; drop and count it if the queue is full.
        Thread-safe like `add`.

        Returns False if its line cannot be made of these texts: then it must be added with `add`.
        """
        if len(request[4]) + len(request[6]) > self._small:
            return False
        self._pending.append(request)
        if len(self._pending) >= self._together:
            with self._lock:
                self._take_pending()
        return True

    def _take_pending(self) -> None:
        """Make the lines of the small requests that wait for theirs. The caller holds the lock."""
        requests = [self._pending.popleft() for _ in range(len(self._pending))]
        waiting = self._rows + self._received.rows
        if (excess := waiting + len(requests) - self._max_rows) > 0:
            del requests[-excess:]
            self.counts.dropped("queue_full", excess)
        if not requests:
            return
        if (waiting + len(requests)) * 2 > self._max_rows:
            self._wake.set()
        try:
            self._received.add(requests)
        except Exception as error:  # noqa: BLE001 - the log must not fail an answer
            self._failed("encoder", f"{type(error).__name__}: {error}", len(requests))

    def _put(self, request: AnsweredValues, rows: int, size: int) -> bool:
        """Queue the request. Returns False if it does not fit."""
        with self._lock:
            used = self._rows + self._received.rows + len(self._pending)
            if used + rows > self._max_rows or (self._rows and self._bytes + size > self._max_bytes):
                return False
            self._waiting.append(request)
            self._rows += rows
            self._bytes += size
            full = used * 2 > self._max_rows or self._bytes * 2 > self._max_bytes
        if full:
            self._wake.set()
        return True

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
            self._take_pending()
            received = self._received.take()
            waiting, self._waiting = self._waiting, []
            self._rows = self._bytes = 0
        for buffer in received:
            self.counts.observe_values(buffer.rows, buffer.scores, buffer.unusual)
            if self._sinks:
                self._write(buffer.day, [buffer.lines()], buffer.rows)
            with self._lock:
                self._received.give_back(buffer)
        for start in range(0, len(waiting), _TURN):
            requests = list(map(AnsweredRequest._make, waiting[start : start + _TURN]))
            self._observe(requests)
            if self._sinks:
                self._write_requests(requests)
            give_way()
        for sink in self._sinks:
            self._attempt(sink, sink.tick, 0)

    def _observe(self, requests: Sequence[AnsweredRequest]) -> None:
        rows = [row for request in requests if request.predictions for row in request.rows]
        predictions = [prediction for request in requests for prediction in request.predictions]
        self.counts.observe(rows, [prediction["score"] for prediction in predictions if "score" in prediction])

    def _write_requests(self, requests: Sequence[AnsweredRequest]) -> None:
        """Encode and write requests, consecutive ones of one day together."""
        encoded = filter(None, map(self._encoded, requests))
        for day, some in groupby(encoded, key=lambda each: each.day):
            if lines := [line for each in some for line in each.lines]:
                self._write(day, lines, len(lines))

    def _encoded(self, request: AnsweredRequest) -> Lines | None:
        try:
            lines = self._encoder.lines(request)
        except Exception as error:  # noqa: BLE001 - one request must not stop the log
            self._failed("encoder", f"{type(error).__name__}: {error}", len(request.rows) or 1)
            return None
        self._worked("encoder")
        return lines

    def _write(self, day: str, lines: Sequence[bytes], count: int) -> None:
        for sink in self._sinks:
            if self._attempt(sink, lambda sink=sink: sink.write(day, lines), count):  # type: ignore[misc]
                self.counts.written(sink.name, count)
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
