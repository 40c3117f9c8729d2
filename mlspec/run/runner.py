"""A StageSchedule to Outcomes: each step through an engine as soon as all that it waits for has ended."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import Final, Protocol

from mlspec.run.engine import Engine
from mlspec.run.journal import Recorder
from mlspec.run.outcome import Outcome
from mlspec.run.schedule import StageSchedule, Step
from mlspec.stage_result import Reason

_PATIENCE: Final = 0.5
"""Seconds after which a wait for stages looks for a signal."""


class Watcher(Protocol):
    """Receives the progress of a run, from one thread at a time."""

    def started(self, step: Step) -> None: ...  # noqa: D102

    def line(self, stage: str, text: str) -> None: ...  # noqa: D102

    def ended(self, outcome: Outcome) -> None: ...  # noqa: D102


class Quiet:
    """Shows nothing: for a dry run, where the plan shows everything."""

    def started(self, step: Step) -> None:
        """Do nothing."""

    def line(self, stage: str, text: str) -> None:
        """Do nothing."""

    def ended(self, outcome: Outcome) -> None:
        """Do nothing."""


def run(
    schedule: StageSchedule, engine: Engine, recorder: Recorder, watcher: Watcher, jobs: int = 1
) -> tuple[Outcome, ...]:
    """Run every step, at most `jobs` at once and at most as many as the engine supports.

    What depends on a step that failed or was skipped is skipped. An interruption gives Outcomes too: `interrupted`
    for the running stages, `skipped` for the rest.
    """
    recorder.begin([step.stage.name for step in schedule.steps])
    if schedule.due:
        engine.prepare([step.stage for step in schedule.due])
    slots = min(jobs, engine.max_jobs)
    workers: _Workers = _Threads(engine, watcher, slots) if slots > 1 else _ThisThread(engine, watcher)
    results = _Results(recorder, workers.watcher)
    _run_all(schedule.steps, results, engine, workers)
    ended = tuple(results.outcomes[step.stage.name] for step in schedule.steps)
    recorder.end(_status(ended))
    return ended


class _Results:
    """The outcomes so far, each recorded and shown."""

    def __init__(self, recorder: Recorder, watcher: Watcher) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self._recorder, self._watcher = recorder, watcher
        self._latest: Outcome | None = None

    def add(self, outcome: Outcome) -> None:
        self._latest = outcome
        self._recorder.outcome(outcome)
        self._watcher.ended(outcome)
        self.outcomes[outcome.stage] = outcome

    def complete_latest(self) -> None:
        """Add the latest outcome again if an interruption came while it was added."""
        if self._latest is not None and self._latest.stage not in self.outcomes:
            self.add(self._latest)


def _run_all(steps: Sequence[Step], results: _Results, engine: Engine, workers: _Workers) -> None:
    """Run every step as soon as all that it waits for has ended."""
    waiting, outcomes = list(steps), results.outcomes
    try:
        while waiting or workers.running:
            ready = next((step for step in waiting if all(name in outcomes for name in step.after)), None)
            if ready is None or workers.running >= workers.slots:
                results.add(workers.next_outcome())
                continue
            waiting.remove(ready)
            if (settled := _settled(ready, outcomes, engine)) is not None:
                results.add(settled)
            else:
                workers.start(ready)
    except KeyboardInterrupt:
        results.complete_latest()
        for outcome in workers.interrupt():
            results.add(outcome)
        for step in steps:
            if step.stage.name not in outcomes:
                results.add(_not_started(step))


def _not_started(step: Step) -> Outcome:
    interrupted = Reason("interrupted-before", "the run was interrupted")
    return Outcome(step.stage.name, "skipped", interrupted, "mlspec apply")


def _settled(step: Step, before: Mapping[str, Outcome], engine: Engine) -> Outcome | None:
    """The Outcome of a step that does not run; None for one that does."""
    name = step.stage.name
    if any(outcome.interrupted for outcome in before.values()):
        return _not_started(step)
    if step.reason is None:
        return Outcome(name, "cached", Reason("up-to-date", "up to date"))
    blocked = next((n for n in step.after if before[n].status in ("failed", "skipped")), None)
    if blocked is not None:
        what = "failed" if before[blocked].status == "failed" else "was skipped"
        return Outcome(name, "skipped", Reason("blocked", f"{blocked} {what}"), before[blocked].help)
    if step.lacks is not None:
        return Outcome(name, "skipped", Reason("lacks", step.lacks.text), step.lacks.help)
    if not step.certain and engine.status([step.stage])[name] is None:
        unaffected = Reason("unaffected", f"{' and '.join(step.after)} did not change its inputs")
        return Outcome(name, "cached", unaffected)
    return None


class _Workers(Protocol):
    """Runs steps: in this thread, or in several."""

    slots: int
    running: int

    @property
    def watcher(self) -> Watcher: ...

    def start(self, step: Step) -> None: ...

    def next_outcome(self) -> Outcome: ...

    def interrupt(self) -> Iterator[Outcome]: ...


class _ThisThread:
    """Runs one step after the other, in the thread that receives signals: `Engine.run` handles a KeyboardInterrupt."""

    def __init__(self, engine: Engine, watcher: Watcher) -> None:
        self.slots, self.running, self.watcher = 1, 0, watcher
        self._engine = engine
        self._steps: list[Step] = []

    def start(self, step: Step) -> None:
        self.running = 1
        self._steps.append(step)

    def next_outcome(self) -> Outcome:
        step, self.running = self._steps.pop(), 0
        self.watcher.started(step)
        return _run_step(step, self._engine, self.watcher)

    def interrupt(self) -> Iterator[Outcome]:
        raise KeyboardInterrupt


class _Threads:
    """Runs several steps at once. A KeyboardInterrupt reaches only the waiting thread, which interrupts the engine.

    It may come between any two lines of that thread: steps and outcomes are handed over by queues, and counted last.
    """

    def __init__(self, engine: Engine, watcher: Watcher, slots: int) -> None:
        self.slots, self.running, self.watcher = slots, 0, _OneAtATime(watcher)
        self._engine = engine
        self._steps: SimpleQueue[Step | None] = SimpleQueue()
        self._ended: SimpleQueue[Outcome | Exception] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(slots)]
        for thread in self._threads:
            thread.start()

    def _work(self) -> None:
        while (step := self._steps.get()) is not None:
            try:
                self._ended.put(_run_step(step, self._engine, self.watcher))
            except Exception as error:  # noqa: BLE001 - raised again in the thread that waits
                self._ended.put(error)

    def start(self, step: Step) -> None:
        self.watcher.started(step)
        self._steps.put(step)
        self.running += 1

    def next_outcome(self) -> Outcome:
        ended = self._next()
        self.running -= 1
        if isinstance(ended, Exception):
            raise ended
        return ended

    def _next(self) -> Outcome | Exception:
        while True:
            # A signal just before the wait is handled only after it, however long it takes.
            with suppress(Empty):
                return self._ended.get(timeout=_PATIENCE)

    def interrupt(self) -> Iterator[Outcome]:
        self._engine.interrupt()
        for _ in self._threads:
            self._steps.put(None)
        for thread in self._threads:
            thread.join()
        while not self._ended.empty():
            yield self.next_outcome()


class _OneAtATime:
    """A watcher that several threads call."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher, self._lock = watcher, threading.Lock()

    def started(self, step: Step) -> None:
        with self._lock:
            self._watcher.started(step)

    def line(self, stage: str, text: str) -> None:
        with self._lock:
            self._watcher.line(stage, text)

    def ended(self, outcome: Outcome) -> None:
        with self._lock:
            self._watcher.ended(outcome)


def _run_step(step: Step, engine: Engine, watcher: Watcher) -> Outcome:
    outcome = engine.run(step.stage, partial(watcher.line, step.stage.name), force=step.forced)
    return outcome if outcome.reason.text or step.reason is None else replace(outcome, reason=step.reason)


def _status(outcomes: tuple[Outcome, ...]) -> str:
    if any(outcome.interrupted for outcome in outcomes):
        return "interrupted"
    return "failed" if any(outcome.status == "failed" for outcome in outcomes) else "done"
