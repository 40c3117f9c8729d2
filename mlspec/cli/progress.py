"""How a run is shown while it goes: one line that changes in a terminal, plain lines elsewhere."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping

from mlspec.cli.console import Console
from mlspec.cli.plan_text import duration
from mlspec.diagnostics import width
from mlspec.run.outcome import Outcome
from mlspec.run.schedule import StageSchedule, Step

_COLOURS = {"ran": "green", "cached": "dim", "skipped": "yellow", "failed": "red", "interrupted": "yellow"}


class Progress:
    """Shows the steps of one Schedule."""

    def __init__(self, console: Console, schedule: StageSchedule, estimates: Mapping[str, float]) -> None:
        self._console = console
        self._estimates = estimates
        self._names = [step.stage.name for step in schedule.steps]
        self._width = max((len(name) for name in self._names), default=0)
        self._start = 0.0
        self._stage = ""
        self._last = ""

    def started(self, step: Step) -> None:
        """A stage begins."""
        self._start, self._stage, self._last = time.monotonic(), step.stage.name, ""
        if self._console.terminal:
            self.line("")
        else:
            about = self._estimates.get(self._stage)
            expected = f", about {duration(about)}" if about else ""
            self._console.say(f"{self._place(self._stage)} runs: {step.reason}{expected}")

    def line(self, text: str) -> None:
        """A line of the stage's log, or `""`: the clock goes on."""
        if not self._console.terminal:
            if text:
                self._console.say(f"{self._stage} | {text}")
            return
        self._last = text or self._last
        about = self._estimates.get(self._stage)
        clock = duration(time.monotonic() - self._start) + (f" of about {duration(about)}" if about else "")
        self._console.update(_cut(f"{self._place(self._stage)} {clock}  {self._last}"))

    def ended(self, outcome: Outcome) -> None:
        """A stage has come to an end, or needed none."""
        self._console.update("")
        if outcome.reason.kind == "up-to-date":
            return  # the plan has said so
        seconds = f" in {duration(outcome.seconds)}" if outcome.status == "ran" else ""
        reason = f": {outcome.reason}" if outcome.reason.text and outcome.status != "ran" else ""
        status = self._console.paint(outcome.status, _COLOURS[outcome.status])
        self._console.say(f"{self._place(outcome.stage)} {status}{seconds}{reason}")

    def _place(self, name: str) -> str:
        last = str(len(self._names))
        return f"[{self._names.index(name) + 1:{len(last)}}/{last}] {name:{self._width}}"


def _cut(text: str) -> str:
    """`text` without control characters, short enough for one line of the terminal."""
    room = shutil.get_terminal_size().columns - 1
    shown = "".join(c if c.isprintable() else " " for c in text)
    while width(shown) > room:
        shown = shown[: len(shown) - max(1, (width(shown) - room) // 2)]
    return shown
