"""Waiting rows to predictions, by as many threads as there are cores; a model of microseconds runs in the loop itself.

Everything but `_work` happens in the event loop's thread, so that nothing here needs a lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, Final

from mlspec.runtime.batching import BatchJob, Item, Waiting
from mlspec.runtime.rows import RefusedError
from mlspec.runtime.service import Asked, Service

BATCH: Final = 12
"""Most rows of one run; on a core more only add to the time that the first of them waits."""
QUICK: Final = 0.0003
"""Seconds of a run below which handing it to a thread costs more than it frees the loop from."""
_QUICK_BATCH = 64
_MOST_GATHERING: Final = 0.005
_TRY_OTHER = 64
"""A lone row goes the way that was quicker lately; once in so many times the other way, which may have become it."""


class Workers:
    """The queue before one model. `submit` calls back with the predictions or an exception, in the loop."""

    def __init__(self, service: Service, count: int, most_rows: int, longest_wait: float) -> None:
        self._service, self._count = service, count
        self._most_rows, self._longest_wait = most_rows, longest_wait
        self._waiting, self._free, self._scheduled = Waiting(), count, False
        self._callbacks: dict[BatchJob, Callable[[Asked, Any], None]] = {}
        self._loop = asyncio.get_running_loop()
        self._work: SimpleQueue[tuple[list[Item], bool] | None] = SimpleQueue()
        self._row_seconds = self._run_seconds = self._gather_until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._lone = {True: 0.0, False: 0.0}
        self._lone_runs = 0
        service.counters.waiting = lambda: len(self._waiting)
        for number in range(count):
            threading.Thread(target=self._worker, name=f"model-{number}", daemon=True).start()

    def submit(self, asked: Asked, done: Callable[[Asked, Any], None]) -> BatchJob:
        """Queue the rows. Raises RefusedError 503 where the queue is full or would take too long."""
        waiting, rows = len(self._waiting), len(asked.work.rows)
        seconds = waiting * self._row_seconds / self._count
        if waiting and (waiting + rows > self._most_rows or seconds > self._longest_wait):
            after = str(max(1, round(seconds)))
            message = f"{waiting} rows are waiting already; try again in {after} s"
            raise RefusedError(503, "overloaded", message, headers={"Retry-After": after})
        job = BatchJob.of(asked)
        self._callbacks[job] = done
        self._waiting.add(job)
        self._schedule()
        return job

    def forget(self, job: BatchJob) -> None:
        """The caller has hung up."""
        job.gone = True
        self._callbacks.pop(job, None)

    def close(self) -> None:
        """Let the threads end, each after the run it is in."""
        for _ in range(self._count):
            self._work.put(None)

    def _schedule(self) -> None:
        """Run `_dispatch` after everything that is at hand has been read: what came together is computed together."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._scheduled = False
        if 0 < self._run_seconds < QUICK and self._free == self._count:
            if items := self._waiting.take(_QUICK_BATCH):
                self._finished(*self._run(items, False), lone=None)
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
                # All cores together leave none for anyone else: what comes meanwhile waits, and goes in one batch.
                self._free -= self._count if alone else 1
                self._work.put((items, alone))

    def _better_wait(self) -> bool:
        """Whether to let callers come back that were answered together a moment ago: a tenth of their run at most.

        Without it the first of them would be computed alone, and the others wait for that; a single caller never waits.
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
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._came_back, ran, alone, len(items))

    def _run(self, items: list[Item], alone: bool) -> tuple[list[Item], Sequence[Any], float]:
        """Compute a batch. Where it fails, each row on its own: one that the model cannot bear fails nobody else."""
        began = time.perf_counter()
        compute = self._service.model.compute
        found: Sequence[Any]
        try:
            found = compute([item.prepared for item in items], alone)
            if len(found) != len(items):
                raise ArithmeticError(f"the model gave {len(found)} answers for {len(items)} rows")
        except Exception as error:  # noqa: BLE001 - whatever the model raises is that row's answer
            found = [error] if len(items) == 1 else [self._run([item], alone)[1][0] for item in items]
        return items, found, time.perf_counter() - began

    def _came_back(self, ran: tuple[list[Item], Sequence[Any], float], alone: bool, rows: int) -> None:
        self._free += self._count if alone else 1
        self._finished(*ran, lone=alone if rows == 1 else None)
        self._dispatch()

    def _finished(self, items: list[Item], found: Sequence[Any], seconds: float, lone: bool | None) -> None:
        self._service.counters.ran(len(items))
        if len(items) > 1:
            self._gather_until = self._loop.time() + min(_MOST_GATHERING, seconds / 10)
        self._row_seconds = _average(self._row_seconds, seconds / len(items))
        self._run_seconds = _average(self._run_seconds, seconds)
        if lone is not None:
            # A longer text takes longer on either way; this much of it is enough to compare the two.
            self._lone[lone] = _average(self._lone[lone], seconds / (items[0].length + 10))
        for item, made in zip(items, found, strict=True):
            job = item.job
            job.left -= 1
            if isinstance(made, Exception):
                job.error = made
            else:
                job.found[item.position] = made
            if not job.left and (done := self._callbacks.pop(job, None)):
                done(job.asked, job.error or job.found)


def _average(old: float, new: float) -> float:
    return old * 0.9 + new * 0.1 if old else new
