"""Steps to Outcomes: runs them in order, keeps the journal, and stops where going on makes no sense."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mlspec.plan.graph import upstream
from mlspec.run.engines.protocol import Engine
from mlspec.run.journal import Journal
from mlspec.run.outcome import Outcome
from mlspec.run.schedule import Step


class Watcher(Protocol):
    """Who is told how a run goes on."""

    def started(self, step: Step) -> None:
        """A stage begins."""

    def line(self, text: str) -> None:
        """The running stage printed a line."""

    def ended(self, outcome: Outcome) -> None:
        """A stage is over, one way or another."""


def run(steps: Sequence[Step], engine: Engine, journal: Journal, watcher: Watcher, name: str) -> list[Outcome]:
    """Run the steps; a stage that needs a failed or skipped one is skipped, and the others go on.

    On Ctrl-C the running stage is noted as interrupted and KeyboardInterrupt is passed on. A stage that turns out to be
    up to date after all (what came before it made the same files again) is not run.
    """
    outcomes: list[Outcome] = []
    needs = upstream([step.stage for step in steps])
    for step in steps:
        blocked = next((o for o in outcomes if o.stage in needs[step.stage.name] and o.status in _ENDS), None)
        if blocked is not None and step.action == "run":
            outcome = Outcome(step.stage.name, "skipped", f"{blocked.stage} {_ENDS[blocked.status]}", blocked.help)
            watcher.ended(outcome)
        else:
            outcome = _one(step, engine, journal, watcher, name)
        outcomes.append(outcome)
        if outcome.status != "cached" or outcome.seconds:
            journal.add(name, outcome)
    return outcomes


_ENDS = {"failed": "failed", "skipped": "was skipped", "interrupted": "was interrupted"}


def _one(step: Step, engine: Engine, journal: Journal, watcher: Watcher, name: str) -> Outcome:
    if step.action == "skip":
        outcome = Outcome(step.stage.name, "skipped", step.reason, step.help)
    elif step.action == "current" or _still_current(step, engine):
        outcome = Outcome(step.stage.name, "cached", "up to date")
    else:
        watcher.started(step)
        try:
            outcome = engine.run(step.stage, watcher.line, force=step.forced)
        except KeyboardInterrupt:
            stopped = Outcome(step.stage.name, "interrupted", "interrupted", "mlspec apply goes on from here")
            journal.add(name, stopped)
            watcher.ended(stopped)
            raise
    watcher.ended(outcome)
    return outcome


def _still_current(step: Step, engine: Engine) -> bool:
    if not step.reason.startswith("after "):
        return False
    return engine.reasons([step.stage])[step.stage.name] is None
