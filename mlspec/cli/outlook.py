"""What `apply` would do: the files of a build and the stages of a run, put together and shown. Writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlspec.cli.console import Console
from mlspec.cli.options import Place
from mlspec.cli.remote import Remote
from mlspec.cli.remote import show as show_remote
from mlspec.compiler import Build, compile_project
from mlspec.parts.dvc.part import raw
from mlspec.parts.registry import PARTS
from mlspec.run.engines.choice import ENGINES
from mlspec.run.engines.protocol import Engine
from mlspec.run.journal import Journal
from mlspec.run.schedule import Schedule, Selection, Step, chosen, schedule
from mlspec.stage_result import Reason
from mlspec.workspace.changes import SIGNS, ChangeSet
from mlspec.workspace.compare import compare
from mlspec.workspace.lock import read_lock
from mlspec.workspace.roots import Roots, find_roots

_COLOURS = {"create": "green", "update": "yellow", "delete": "red", "conflict": "red"}
_LAST = {"interrupted": "the last run was interrupted", "failed": "the last run failed"}
_SHOWN = 12
"""Changed files that are named; of more, the rest is counted."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """A Build, what writing it changes, and the stages to run."""

    build: Build
    roots: Roots
    changes: ChangeSet
    engine: Engine
    journal: Journal
    schedule: Schedule
    remote: Remote

    @property
    def estimates(self) -> Mapping[str, float]:
        """Seconds that each stage took when it last ran."""
        return self.journal.durations()

    @property
    def nothing_to_do(self) -> bool:
        """Whether neither a file nor a stage is due."""
        return not self.changes.changed and not self.schedule.due


def look_ahead(where: Place, selection: Selection, engine_name: str = "dvc") -> Outlook:
    """The Outlook of the spec at `where`. Raises SpecError, UsageError, MlspecError."""
    build = compile_project(where.spec, where.environment)
    roots = find_roots(where.root)
    changes = compare(build.files, roots, read_lock(roots), others=build.project.surroundings.workflows)
    remote = Remote(build.project, roots.project / "artifacts", PARTS)
    engine = _engine(build, roots, changes, engine_name, remote.looks())
    reasons = engine.status(chosen(build.plan.stages, selection))
    steps = schedule(build.plan.stages, reasons, selection)
    return Outlook(build, roots, changes, engine, Journal(roots.project), steps, remote)


def _engine(
    build: Build, roots: Roots, changes: ChangeSet, name: str, looks: Mapping[str, Callable[[], Reason | None]]
) -> Engine:
    coming = {change.path: change.after for change in changes.pending}
    return ENGINES[name](roots.project, coming, raw(build.project, build.plan.stages), looks)


def engine_here(build: Build, root: Path) -> Engine:
    """The engine of the project in `root`, which looks at nothing outside of it."""
    roots = find_roots(root)
    return _engine(
        build,
        roots,
        compare(build.files, roots, read_lock(roots), others=build.project.surroundings.workflows),
        "dvc",
        {},
    )


def outdated(build: Build, engine: Engine) -> dict[str, Reason]:
    """The stages whose files are not what the spec, the data and the code of now would make, and why."""
    pure = [stage for stage in build.plan.stages if not stage.effects]
    steps = schedule(pure, engine.status(pure), Selection()).steps
    return {step.stage.name: step.reason for step in steps if step.reason is not None}


def show(console: Console, outlook: Outlook) -> None:
    """Files with + ~ -, then stages with their reasons, then how much and how long."""
    pending = outlook.changes.pending
    if pending:
        console.out("Files")
        for change in pending[:_SHOWN]:
            sign = console.paint(SIGNS[change.action], _COLOURS[change.action], stream="out")
            console.out(f"  {sign} {change.path}")
        if len(pending) > _SHOWN:
            console.out(f"    and {len(pending) - _SHOWN} more: mlspec build --check")
        console.out()
    if outlook.schedule.steps:
        console.out("Stages")
        width = max(len(step.stage.name) for step in outlook.schedule.steps)
        last = {name: str(row.get("status")) for name, row in outlook.journal.last().items()}
        for step in outlook.schedule.steps:
            console.out(f"  {_line(console, outlook, step, width, last.get(step.stage.name, ''))}")
        console.out()
    show_remote(console, outlook.remote)
    console.out(summary(outlook))


def _line(console: Console, outlook: Outlook, step: Step, width: int, last: str) -> str:
    name = f"{step.stage.name:{width}}"
    if step.reason is None:
        return console.paint(f"  {name}  up to date", "dim", stream="out")
    sign = console.paint(">" if step.certain else "?", "green" if step.certain else "yellow", stream="out")
    seconds = outlook.estimates.get(step.stage.name)
    lack = outlook.engine.lacks(step.stage)
    about = f"; will be skipped: {lack[0]} ({lack[1]})" if lack else f"; about {duration(seconds)}" if seconds else ""
    return f"{sign} {name}  {because(step.reason, last)}{about}"


def because(reason: Reason, last: str) -> str:
    """Why a stage would run, where its last run `failed` or was `interrupted`: one that did not end has not run."""
    told = _LAST.get(last, "")
    if not told:
        return reason.text
    return told if reason.kind == "never-ran" else f"{reason}; {told}"


def summary(outlook: Outlook) -> str:
    """One line: `Plan: +3 ~1 -0 files; 4 of 6 stages to run, about 2 min`."""
    due = outlook.schedule.due
    if outlook.nothing_to_do:
        count = len(outlook.schedule.steps)
        return f"Nothing to do: all files and {count} stage{'' if count == 1 else 's'} are up to date."
    known = [outlook.estimates.get(step.stage.name) for step in due]
    seconds = sum(s for s in known if s is not None)
    about = f", about {duration(seconds)}" if due and None not in known else ""
    return f"Plan: {outlook.changes.summary()} files; {len(due)} of {len(outlook.schedule.steps)} stages to run{about}."


def to_json(outlook: Outlook) -> dict[str, object]:
    """The stable JSON shape of a plan."""
    files = [
        {"path": c.path, "action": c.action, "part": c.part, "reason": c.reason}
        for c in outlook.changes.changes
        if c.action not in ("unchanged", "keep")
    ]
    stages = [
        {
            "stage": step.stage.name,
            "command": step.stage.command,
            "run": step.reason is not None,
            "certain": step.certain,
            "reason": step.reason.text if step.reason else None,
            "reason_kind": step.reason.kind if step.reason else None,
            "after": list(step.after),
            "estimate": outlook.estimates.get(step.stage.name),
        }
        for step in outlook.schedule.steps
    ]
    return {"summary": outlook.changes.summary(), "files": files, "stages": stages, "remote": outlook.remote.to_json()}


def duration(seconds: float) -> str:
    """`0.4 s`, `42 s`, `3 min`, `1 h 20 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
