"""How a run is shown while it goes: one line that changes in a terminal, plain lines elsewhere."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass

from mlspec.cli.console import Console
from mlspec.cli.plan_text import because, duration
from mlspec.diagnostics import width
from mlspec.run.outcome import Outcome
from mlspec.run.schedule import StageSchedule, Step

_COLOURS = {"ran": "green", "cached": "dim", "skipped": "yellow", "failed": "red", "interrupted": "yellow"}


@dataclass
class _RunningStage:
    """A stage that runs now: when it began, and the last line of its log."""

    start: float
    last: str = ""


class Progress:
    """Shows the steps of one StageSchedule, with their durations and last outcomes."""

    def __init__(
        self, console: Console, schedule: StageSchedule, estimates: Mapping[str, float], last: Mapping[str, str]
    ) -> None:
        self._console = console
        self._estimates = estimates
        self._last = last
        self._names = [step.stage.name for step in schedule.steps]
        self._width = max((len(name) for name in self._names), default=0)
        self._running: dict[str, _RunningStage] = {}

    def started(self, step: Step) -> None:
        """A stage starts."""
        name = step.stage.name
        self._running[name] = _RunningStage(time.monotonic())
        if self._console.terminal:
            self.line(name, "")
        else:
            about = self._estimates.get(name)
            expected = f", about {duration(about)}" if about else ""
            reason = because(step.reason, self._last.get(name, "")) if step.reason else ""
            self._console.say(f"{self._place(name)} runs: {reason}{expected}")

    def line(self, stage: str, text: str) -> None:
        """A line of the stage's log, or `""` to update the clock."""
        if not self._console.terminal:
            if text:
                self._console.say(f"{stage} | {text}")
            return
        running = self._running[stage]
        running.last = text or running.last
        about = self._estimates.get(stage)
        clock = duration(time.monotonic() - running.start) + (f" of about {duration(about)}" if about else "")
        others = f" (+{len(self._running) - 1} running)" if len(self._running) > 1 else ""
        self._console.update(_cut(f"{self._place(stage)} {clock}{others}  {running.last}"))

    def ended(self, outcome: Outcome) -> None:
        """A stage has ended, or did not have to run."""
        self._running.pop(outcome.stage, None)
        self._console.update("")
        if outcome.reason.kind == "up-to-date":
            return  # the plan shows it
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
