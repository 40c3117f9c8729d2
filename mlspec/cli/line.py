"""What plan, apply and status share: the build, and what a run would do with each stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from mlspec.cli.console import Console
from mlspec.cli.options import Place
from mlspec.compiler import Build, compile_project
from mlspec.parts.data.spec import DataSpec
from mlspec.run.capabilities import probe
from mlspec.run.engines.dvc import DvcEngine
from mlspec.run.journal import Journal
from mlspec.run.schedule import Selection, Step, schedule
from mlspec.workspace.changes import SIGNS, ChangeSet
from mlspec.workspace.compare import compare
from mlspec.workspace.lock import read_lock
from mlspec.workspace.roots import Roots, find_roots

_MARKS = {"run": "+", "current": "=", "skip": "-"}
_COLOURS = {"run": "green", "current": "dim", "skip": "yellow"}


@dataclass(frozen=True)
class Line:
    """A built spec with the line's state."""

    place: Place
    build: Build
    roots: Roots
    changes: ChangeSet
    engine: DvcEngine
    journal: Journal
    steps: tuple[Step, ...]

    @property
    def estimate(self) -> float | None:
        """Seconds that the run will take, going by the last ones; None where a stage never ran."""
        times = [step.estimate for step in self.steps if step.action == "run"]
        return sum(t for t in times if t is not None) if times and None not in times else None


def survey(where: Place, console: Console, selection: Selection) -> Line:
    """Build the spec and look at the line. Writes nothing. Raises SpecError and UsageError."""
    build = compile_project(where.spec, where.environment)
    console.diagnostics(build.warnings)
    roots = find_roots(where.root)
    changes = compare(build.files, roots, read_lock(roots), keep=frozenset(), overwrite=frozenset())
    engine = DvcEngine(where.root, build.project.values, raw_files(build))
    journal = Journal(where.root)
    stages = [stage for stage in build.plan.stages if not stage.effects]
    steps = schedule(stages, selection, engine.reasons(stages), journal.seconds(), lack)
    return Line(where, build, roots, changes, engine, journal, tuple(steps))


def raw_files(build: Build) -> list[str]:
    """Raw data in the project that DVC looks after."""
    data = build.project.get(DataSpec)
    if data is None or data.track != "dvc" or data.kind != "local":
        return []
    inputs = next((stage.inputs for stage in build.plan.stages if stage.name == "data"), ())
    return list(inputs)


@cache
def lack(need: str) -> tuple[str, str] | None:
    """What of a capability this machine lacks, and the command that mends it."""
    found = probe(need)
    return None if found.present else (found.detail, found.mend)


def show(console: Console, line: Line) -> None:
    """The plan, as a person reads it."""
    console.out(console.paint("Files", "bold", stream="out") + f"   {line.changes.summary()}")
    for change in (*line.changes.pending, *line.changes.conflicts):
        console.out(f"  {SIGNS[change.action]} {change.path}" + (f"  ({change.reason})" if change.reason else ""))
    console.out(console.paint("Stages", "bold", stream="out"))
    width = max((len(step.stage.name) for step in line.steps), default=0)
    for step in line.steps:
        mark = console.paint(_MARKS[step.action], _COLOURS[step.action], stream="out")
        about = f"   about {duration(step.estimate)}" if step.action == "run" and step.estimate else ""
        why = {"run": step.reason, "current": "up to date", "skip": f"skipped: {step.reason}"}[step.action]
        console.out(f"  {mark} {step.stage.name:<{width}}  {why}{about}")
        if step.action == "skip" and step.help:
            console.out(f"    {'':<{width}}  to mend it: {step.help}")
    console.out(summary(line))


def summary(line: Line) -> str:
    """`2 to run, 5 up to date; about 12 s`."""
    counts = {action: sum(step.action == action for step in line.steps) for action in _MARKS}
    text = f"{counts['run']} to run, {counts['current']} up to date"
    text += f", {counts['skip']} skipped" if counts["skip"] else ""
    return f"{text}; about {duration(line.estimate)}" if line.estimate else text


def to_json(line: Line) -> dict[str, object]:
    """The plan as the JSON document of `--json`."""
    changes = line.changes
    return {
        "ok": not changes.conflicts,
        "files": [{"path": c.path, "action": c.action, "reason": c.reason} for c in changes.changes],
        "stages": [step_json(step) for step in line.steps],
        "estimate_seconds": line.estimate,
    }


def step_json(step: Step) -> dict[str, object]:
    """One stage of the plan as JSON."""
    return {
        "name": step.stage.name,
        "action": step.action,
        "reason": step.reason,
        "help": step.help,
        "estimate_seconds": step.estimate,
    }


def duration(seconds: float | None) -> str:
    """Seconds as a person says them."""
    if seconds is None:
        return "unknown"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def selected(until: str | None, only: Sequence[str], force: Sequence[str]) -> Selection:
    """The stages that the command line asks for."""
    return Selection(until, tuple(only), tuple(force))
