"""Queued rows to predictions, in one thread per core; a model that needs microseconds runs in the event loop itself.

Everything except `_worker` runs in the thread of the event loop, so that no locks are needed.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Final, TypeAlias

from mlspec.runtime.batching import BatchJob, Item, Waiting
from mlspec.runtime.predictor import Prediction
from mlspec.runtime.rows import RefusedError
from mlspec.runtime.service import PendingRequest, Service

BATCH: Final = 12
"""Maximum rows of one run; on one core more rows only increase the latency of the first."""
QUICK: Final = 0.0003
"""Duration of a run in seconds, below which passing it to a thread costs more than it saves."""
_QUICK_BATCH = 64
_MOST_GATHERING: Final = 0.005
_TRY_OTHER = 64
"""Single rows use the session that was faster recently; one in _TRY_OTHER uses the other one, to measure it again."""

Result: TypeAlias = Exception | Sequence[Prediction]
Run: TypeAlias = tuple[list[Item], Sequence[Prediction | Exception], float]
"""The rows of a batch, the result of each, and the duration in seconds."""


class Workers:
    """The queue and worker threads of one model. Results are passed to the callback of `submit`, in the event loop."""

    def __init__(self, service: Service, count: int, most_rows: int, longest_wait: float) -> None:
        self._service, self._count = service, count
        self._most_rows, self._longest_wait = most_rows, longest_wait
        self._waiting, self._free, self._scheduled = Waiting(), count, False
        self._callbacks: dict[BatchJob, Callable[[PendingRequest, Result], None]] = {}
        self._loop = asyncio.get_running_loop()
        self._work: SimpleQueue[tuple[list[Item], bool] | None] = SimpleQueue()
        self._row_seconds = self._run_seconds = self._gather_until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._lone = {True: 0.0, False: 0.0}
        self._lone_runs = 0
        service.counters.waiting = lambda: len(self._waiting)
        for number in range(count):
            threading.Thread(target=self._worker, name=f"model-{number}", daemon=True).start()

    def submit(self, pending: PendingRequest, done: Callable[[PendingRequest, Result], None]) -> BatchJob:
        """Queue the rows of a request. Raises RefusedError 503 if the queue is full or the wait would be too long."""
        waiting, rows = len(self._waiting), len(pending.work.rows)
        seconds = waiting * self._row_seconds / self._count
        if waiting and (waiting + rows > self._most_rows or seconds > self._longest_wait):
            after = str(max(1, round(seconds)))
            message = f"overloaded: {waiting} rows are queued; retry in {after} s"
            raise RefusedError(503, "overloaded", message, headers={"Retry-After": after})
        job = BatchJob.of(pending)
        self._callbacks[job] = done
        self._waiting.add(job)
        self._schedule()
        return job

    def forget(self, job: BatchJob) -> None:
        """Cancel the job of a client that has disconnected."""
        job.cancelled = True
        self._callbacks.pop(job, None)

    def close(self) -> None:
        """Stop the threads after their current runs."""
        for _ in range(self._count):
            self._work.put(None)

    def _schedule(self) -> None:
        """Run `_dispatch` after all available input was read, so that concurrent requests share a batch."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._scheduled = False
        if 0 < self._run_seconds < QUICK and self._free == self._count:
            if items := self._waiting.take(_QUICK_BATCH):
                self._finished(self._run(items, False), lone=None)
            if len(self._waiting):
                self._schedule()
            return
        while self._free and len(self._waiting):
            if self._better_wait():
                return
            alone = len(self._waiting) == 1 and self._free == self._count and self._prefers_all_cores()
            share = -(-len(self._waiting) // self._free)
            items = self._waiting.take(min(BATCH, share))
            if items:
                # A run on all cores blocks others: rows that arrive meanwhile queue and form one batch.
                self._free -= self._count if alone else 1
                self._work.put((items, alone))

    def _better_wait(self) -> bool:
        """Whether to wait for the next requests of clients that were just answered in one batch.

        The wait is at most a tenth of that batch's duration. Without it the first request would run alone and the
        others would wait for it. A single client never waits.
        """
        if len(self._waiting) >= BATCH or self._loop.time() >= self._gather_until:
            return False
        if self._timer is None:
            self._timer = self._loop.call_at(self._gather_until, self._gathered)
        return True

    def _gathered(self) -> None:
        self._timer, self._gather_until = None, 0.0
        self._dispatch()

    def _prefers_all_cores(self) -> bool:
        self._lone_runs += 1
        quicker = self._lone[True] <= self._lone[False]
        return quicker if self._lone_runs % _TRY_OTHER else not quicker

    def _worker(self) -> None:
        while (some := self._work.get()) is not None:
            items, alone = some
            ran = self._run(items, alone)
            with contextlib.suppress(RuntimeError):  # the loop is closed: no client waits
                self._loop.call_soon_threadsafe(self._came_back, ran, alone, len(items))

    def _run(self, items: list[Item], alone: bool) -> Run:
        """Compute a batch. If it fails, compute each row alone, so that a failing row does not affect others."""
        began = time.perf_counter()
        compute = self._service.model.compute
        predictions: Sequence[Prediction | Exception]
        try:
            predictions = compute([item.prepared for item in items], alone)
            if len(predictions) != len(items):
                raise ArithmeticError(f"the model returned {len(predictions)} predictions for {len(items)} rows")
        except Exception as error:  # noqa: BLE001 - the exception is the result of that row
            predictions = [error] if len(items) == 1 else [self._run([item], alone)[1][0] for item in items]
        return items, predictions, time.perf_counter() - began

    def _came_back(self, ran: Run, alone: bool, rows: int) -> None:
        self._free += self._count if alone else 1
        self._finished(ran, lone=alone if rows == 1 else None)
        self._dispatch()

    def _finished(self, ran: Run, lone: bool | None) -> None:
        items, predictions, seconds = ran
        self._service.counters.ran(len(items))
        if len(items) > 1:
            self._gather_until = self._loop.time() + min(_MOST_GATHERING, seconds / 10)
        self._row_seconds = _average(self._row_seconds, seconds / len(items))
        self._run_seconds = _average(self._run_seconds, seconds)
        if lone is not None:
            # Normalised by length, to compare the two sessions on texts of different length.
            self._lone[lone] = _average(self._lone[lone], seconds / (items[0].length + 10))
        for item, prediction in zip(items, predictions, strict=True):
            job = item.job
            job.left -= 1
            if isinstance(prediction, Exception):
                job.error = prediction
            else:
                job.predictions[item.position] = prediction
            if not job.left and (done := self._callbacks.pop(job, None)):
                done(job.pending, job.error or [p for p in job.predictions if p is not None])


def _average(old: float, new: float) -> float:
    return old * 0.9 + new * 0.1 if old else new
