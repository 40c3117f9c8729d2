"""How a run looks: one live line at a terminal, plain lines elsewhere."""

from __future__ import annotations

import shutil
import threading
import time
from collections import deque
from typing import Any

from mlspec.cli.console import Console
from mlspec.cli.line import duration
from mlspec.run.outcome import Outcome
from mlspec.run.schedule import Step

_MARKS = {"ran": "ok", "cached": "up to date", "skipped": "skipped", "failed": "FAILED", "interrupted": "interrupted"}
_COLOURS = {"ran": "green", "cached": "dim", "skipped": "yellow", "failed": "red", "interrupted": "yellow"}
TAIL = 12
"""Lines of a failed stage's log that are shown."""


class Progress:
    """Watches a run for a person."""

    def __init__(self, console: Console, width: int) -> None:
        self.console, self.width = console, width
        self.tail: deque[str] = deque(maxlen=TAIL)
        self._step: Step | None = None
        self._since = 0.0
        self._timer: _Ticker | None = None

    def started(self, step: Step) -> None:
        """A stage begins."""
        self._step, self._since = step, time.monotonic()
        self.tail.clear()
        if self.console.terminal:
            self._timer = _Ticker(self._draw)
        else:
            self.console.say(f"{step.stage.name:<{self.width}}  running: {step.reason}")

    def line(self, text: str) -> None:
        """A line of the stage's output."""
        if text.strip():
            self.tail.append(text)

    def _draw(self) -> None:
        step = self._step
        if step is None:
            return
        passed = time.monotonic() - self._since
        of = f" of about {duration(step.estimate)}" if step.estimate else ""
        last = self.tail[-1].strip() if self.tail else step.reason
        text = f"{step.stage.name:<{self.width}}  {duration(passed)}{of}  {last}"
        self.console.update(text[: shutil.get_terminal_size().columns - 1])

    def ended(self, outcome: Outcome) -> None:
        """A stage is over."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
            self.console.update("")
        self._step = None
        mark = self.console.paint(_MARKS[outcome.status], _COLOURS[outcome.status])
        time_taken = f"  {duration(outcome.seconds)}" if outcome.seconds else ""
        why = f": {outcome.reason}" if outcome.reason and outcome.status in ("skipped", "failed") else ""
        self.console.say(f"{outcome.stage:<{self.width}}  {mark}{time_taken}{why}")
        if outcome.help and outcome.status in ("skipped", "failed"):
            for text in outcome.help.splitlines():
                self.console.say(f"{'':<{self.width}}  = help: {text}")
        if outcome.status == "failed":
            self._show_log(outcome)

    def _show_log(self, outcome: Outcome) -> None:
        self.console.say(f"\nthe last lines of {outcome.log}:")
        for text in self.tail:
            self.console.say(self.console.paint(f"  | {text}", "dim"))
        self.console.say(f"\nthe whole log: mlspec logs {outcome.stage}\nto go on from here: mlspec apply")


class _Ticker:
    """Calls back ten times a second until it is stopped."""

    def __init__(self, callback: Any) -> None:
        self._stop = threading.Event()
        self._callback = callback
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            self._callback()

    def stop(self) -> None:
        """No call comes after this returns."""
        self._stop.set()
        self._thread.join()
