"""A Schedule to Outcomes: one stage after the other through an engine, each recorded and shown as it goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from mlspec.run.engine import Engine
from mlspec.run.journal import Recorder
from mlspec.run.outcome import Outcome
from mlspec.run.schedule import StageSchedule, Step
from mlspec.stage_result import Reason


class Watcher(Protocol):
    """Who is shown how a run goes."""

    def started(self, step: Step) -> None: ...  # noqa: D102

    def line(self, text: str) -> None: ...  # noqa: D102

    def ended(self, outcome: Outcome) -> None: ...  # noqa: D102


class Quiet:
    """Shows nothing: for a dry run, whose plan says it all."""

    def started(self, step: Step) -> None:
        """Nothing."""

    def line(self, text: str) -> None:
        """Nothing."""

    def ended(self, outcome: Outcome) -> None:
        """Nothing."""


def run(plan: StageSchedule, engine: Engine, recorder: Recorder, watcher: Watcher) -> tuple[Outcome, ...]:
    """Carry out every step; what depends on one that failed or was skipped is skipped.

    An interruption ends as Outcomes too: `interrupted` for the stage at work, `skipped` for the rest.
    """
    recorder.begin([step.stage.name for step in plan.steps])
    outcomes: dict[str, Outcome] = {}
    if plan.due:
        engine.prepare([step.stage for step in plan.due])
    for step in plan.steps:
        outcome = _settled(step, outcomes, engine) or _carried_out(step, engine, watcher)
        outcomes[step.stage.name] = outcome
        recorder.outcome(outcome)
        watcher.ended(outcome)
    found = tuple(outcomes.values())
    recorder.end(_verdict(found))
    return found


def _settled(step: Step, before: Mapping[str, Outcome], engine: Engine) -> Outcome | None:
    """The Outcome of a step that needs no running; None for one that does."""
    name = step.stage.name
    if any(outcome.status == "interrupted" for outcome in before.values()):
        return Outcome(name, "skipped", Reason("interrupted-before", "the run was interrupted"), "mlspec apply")
    if step.reason is None:
        return Outcome(name, "cached", Reason("up-to-date", "up to date"))
    blocked = next((n for n in step.after if before[n].status in ("failed", "skipped")), None)
    if blocked is not None:
        what = "failed" if before[blocked].status == "failed" else "was skipped"
        return Outcome(name, "skipped", Reason("blocked", f"{blocked} {what}"), before[blocked].help)
    if step.lacks is not None:
        return Outcome(name, "skipped", Reason("lacks", step.lacks.text), step.lacks.help)
    if not step.certain and engine.status([step.stage])[name] is None:
        unaffected = Reason("unaffected", f"{' and '.join(step.after)} changed nothing that it reads")
        return Outcome(name, "cached", unaffected)
    return None


def _carried_out(step: Step, engine: Engine, watcher: Watcher) -> Outcome:
    watcher.started(step)
    outcome = engine.run(step.stage, watcher.line, force=step.forced)
    return outcome if outcome.reason.text or step.reason is None else replace(outcome, reason=step.reason)


def _verdict(outcomes: tuple[Outcome, ...]) -> str:
    found = {outcome.status for outcome in outcomes}
    return "interrupted" if "interrupted" in found else "failed" if "failed" in found else "done"
