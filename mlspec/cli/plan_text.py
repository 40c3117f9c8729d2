"""An apply plan as the terminal shows it: files, stages and remote changes, each with its reason."""

from __future__ import annotations

import textwrap

from mlspec.apply.apply_plan import ApplyPlan
from mlspec.apply.remote import RemoteState
from mlspec.cli.console import Console
from mlspec.run.schedule import Step
from mlspec.stage_result import Reason
from mlspec.workspace.changes import SIGNS

_COLOURS = {"create": "green", "update": "yellow", "delete": "red", "conflict": "red"}
_LAST = {"interrupted": "the last run was interrupted", "failed": "the last run failed"}
_SHOWN = 12
"""Changed files that are named; of more, the rest is counted."""
_SIGN_COLOURS = {"+": "green", "~": "yellow", "-": "red"}


def show(console: Console, plan: ApplyPlan) -> None:
    """Files with + ~ -, then stages with their reasons, then how much and how long."""
    pending = plan.changes.pending
    if pending:
        console.out("Files")
        for change in pending[:_SHOWN]:
            sign = console.paint(SIGNS[change.action], _COLOURS[change.action], stream="out")
            console.out(f"  {sign} {change.path}")
        if len(pending) > _SHOWN:
            console.out(f"    and {len(pending) - _SHOWN} more: mlspec build --check")
        console.out()
    if plan.schedule.steps:
        console.out("Stages")
        width = max(len(step.stage.name) for step in plan.schedule.steps)
        for step in plan.schedule.steps:
            console.out(f"  {_line(console, plan, step, width)}")
        console.out()
    _show_remote(console, plan.remote)
    console.out(summary(plan))


def _line(console: Console, plan: ApplyPlan, step: Step, width: int) -> str:
    name = f"{step.stage.name:{width}}"
    if step.reason is None:
        return console.paint(f"  {name}  up to date", "dim", stream="out")
    sign = console.paint(">" if step.certain else "?", "green" if step.certain else "yellow", stream="out")
    seconds = plan.estimates.get(step.stage.name)
    about = f"; about {duration(seconds)}" if seconds else ""
    if step.lacks is not None:
        about = f"; will be skipped: {step.lacks.text} ({step.lacks.help})"
    return f"{sign} {name}  {because(step.reason, plan.last.get(step.stage.name, ''))}{about}"


def because(reason: Reason, last: str) -> str:
    """Why a stage would run, where its last run `failed` or was `interrupted`: one that did not end has not run."""
    outcome = _LAST.get(last, "")
    if not outcome:
        return reason.text
    return outcome if reason.kind == "never-ran" else f"{reason}; {outcome}"


def summary(plan: ApplyPlan) -> str:
    """One line: `Plan: +3 ~1 -0 files; 4 of 6 stages to run, about 2 min`."""
    due = plan.schedule.due
    if plan.nothing_to_do:
        count = len(plan.schedule.steps)
        return f"Nothing to do: all files and {count} stage{'' if count == 1 else 's'} are up to date."
    known = [plan.estimates.get(step.stage.name) for step in due]
    seconds = sum(s for s in known if s is not None)
    about = f", about {duration(seconds)}" if due and None not in known else ""
    return f"Plan: {plan.changes.summary()} files; {len(due)} of {len(plan.schedule.steps)} stages to run{about}."


def duration(seconds: float) -> str:
    """`0.4 s`, `42 s`, `3 min`, `1 h 20 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _show_remote(console: Console, remote: RemoteState) -> None:
    """The section `Remote`: changes with + ~ -, and one line for each reason why stages could not be compared."""
    if not remote.actions and not remote.unobserved:
        return
    console.out("Remote")
    for action in remote.actions:
        for line in action.lines():
            colour = "red" if action.breaking else _SIGN_COLOURS.get(line[0], "yellow")
            first, *more = wrapped(line, console.columns, indent=2)
            console.out(f"  {console.paint(first[2], colour, stream='out')}{first[3:]}")
            for rest in more:
                console.out(rest)
    for why in dict.fromkeys(remote.unobserved.values()):
        stages = " and ".join(stage for stage, reason in remote.unobserved.items() if reason == why)
        text = f"{stages}: cannot compare with what is deployed: {why}"
        for line in wrapped(text, console.columns, indent=4):
            console.out(line)
    console.out()


def wrapped(line: str, columns: int | None, indent: int) -> list[str]:
    """An indented line as lines that a terminal of that width does not break in words; None: not a terminal.

    A word that is longer than the terminal is left to it.
    """
    whole = " " * indent + line
    if columns is None or len(whole) <= columns:
        return [whole]
    further = " " * (indent + 4)
    return textwrap.wrap(
        line,
        max(columns, 30),
        initial_indent=" " * indent,
        subsequent_indent=further,
        break_long_words=False,
        break_on_hyphens=False,
    )
