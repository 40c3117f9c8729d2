"""`mlspec apply`: build, then run the stages that are not up to date."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlspec.cli.console import Console
from mlspec.cli.options import engine_option, spec_options, stage_context, target_option
from mlspec.cli.paths import PathType
from mlspec.errors import EXIT_OK, SpecError, UsageError
from mlspec.stage_context import StageContext, TargetName, target_in
from mlspec.workspace.spec_file import SpecFile, find_spec

if TYPE_CHECKING:
    from mlspec.apply.apply_plan import ApplyPlan
    from mlspec.run.engine import Engine
    from mlspec.run.journal import Recorder
    from mlspec.run.outcome import Outcome
    from mlspec.run.runner import Watcher


@click.command()
@click.argument("plan", metavar="[PLAN]", required=False, type=PathType(Path))
@spec_options
@click.option("--until", metavar="STAGE", help="Run up to this stage: it and all it needs.")
@click.option("--only", multiple=True, metavar="STAGE", help="Run this stage and no other. May be repeated.")
@click.option("--force", multiple=True, metavar="STAGE", help="Run this stage even if it is up to date.")
@engine_option
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="Stages at once, at most; DVC runs one at a time.",
)
@target_option
@click.option(
    "--fault",
    multiple=True,
    metavar="NAME=VALUE",
    help="With --target local: harm the new version, to see what becomes of it.",
)
@click.option(
    "--allow-breaking",
    is_flag=True,
    help="Deploy even what the live version's callers will notice.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
def command(spec: str | None, env: str | None, as_json: bool, plan: Path | None, **asked: Any) -> int:
    """Build, then run the stages that are not up to date.

    Shows first what it will do and why, and asks. Without a terminal it needs --yes, unless the environment variable CI
    is set. A run that was stopped or killed goes on where it was.

    With PLAN, a file that `mlspec plan --out` saved, it does exactly that, unasked; where anything that the plan was
    made from has changed since, it does nothing.
    """
    from mlspec.cli import local_target
    from mlspec.cli.plan_text import show
    from mlspec.workspace.location import require_usable
    from mlspec.workspace.mutex import hold
    from mlspec.workspace.roots import find_roots
    from mlspec.workspace.writer import recover

    console, dry = Console(as_json=as_json), bool(asked["dry_run"])
    where, target, look = _asked(spec, env, asked) if plan is None else _saved(spec, env, asked, plan)
    signal.signal(signal.SIGTERM, _terminated)
    roots = find_roots(where.root)
    require_usable(roots.project)
    context = _context(roots.project, target, asked)
    with hold(roots, "mlspec apply", wait=False):
        recover(roots)
        if not dry:
            local_target.start(context, where)
        outlook = look(context)
        console.diagnostics(outlook.build.warnings)
        show(console, outlook)
        _possible(outlook, where)
        if not dry:
            _compatible(outlook)
        _remark(console, outlook, asked)
        if not (plan or dry or asked["yes"] or outlook.nothing_to_do) and not _agreed(console):
            console.say("nothing was done")
            return EXIT_OK
        doors = _display(console, outlook) if dry else _real(console, outlook, where)
        return _carry_out(outlook, doors)


def _remark(console: Console, outlook: ApplyPlan, asked: Mapping[str, Any]) -> None:
    """What was asked for and will not happen."""
    if asked["jobs"] > 1:
        console.say(f"--jobs {asked['jobs']} changes nothing: the engine `dvc` runs one stage at a time")
    if asked["fault"] and not any(step.stage.name == "deploy" for step in outlook.schedule.due):
        console.say("--fault changes nothing: no new version is rolled out")


def _possible(outlook: ApplyPlan, where: SpecFile) -> None:
    """Refuse what would write over the user's edits, or end at its first stage."""
    from mlspec.apply.preflight import preflight_findings

    if conflict := outlook.changes.conflict():
        raise conflict
    if found := preflight_findings(outlook, where, "error"):
        raise SpecError(found)


def _compatible(outlook: ApplyPlan) -> None:
    """Refuse what the live version's callers would notice; the stage that deploys looks again, at what was built."""
    from mlspec.shipping.breaking_changes import broken

    if outlook.remote.breaking and not outlook.context.allow_breaking:
        raise broken(outlook.remote.breaking)


Planned = tuple[SpecFile, "TargetName | None", "Callable[[StageContext], ApplyPlan]"]
"""The spec, the target, None where the environment decides, and the plan in a context."""


def _context(root: Path, target: TargetName | None, asked: Mapping[str, Any]) -> StageContext:
    """The context of this run's stages: this process holds the project for them."""
    context = stage_context(root, target)
    allow_breaking = bool(asked["allow_breaking"]) or context.allow_breaking
    faults = tuple(asked["fault"])
    return replace(context, faults=faults, allow_breaking=allow_breaking, holder=os.getpid())


def _asked(spec: str | None, env: str | None, asked: Mapping[str, Any]) -> Planned:
    """The plan of what the options select."""
    from mlspec.apply.apply_plan import make_apply_plan
    from mlspec.run.schedule import Selection

    where, selection = find_spec(spec, env), Selection(asked["until"], asked["only"], asked["force"])
    return where, asked["target"], lambda context: make_apply_plan(where, selection, context, asked["engine"] or "dvc")


def _saved(spec: str | None, env: str | None, asked: Mapping[str, Any], file: Path) -> Planned:
    """A saved plan, which must still hold."""
    from mlspec.apply import plan_file

    fixed = {"env": env, **{name: asked[name] for name in ("until", "only", "force", "engine")}}
    if extra := next((name for name, value in fixed.items() if value), None):
        raise UsageError(f"--{extra} is settled by the plan in {file}", help="give it to `mlspec plan --out FILE`")
    plan, where = plan_file.again(file, spec, asked["target"] or target_in(os.environ))
    return where, plan.target, lambda context: plan_file.hold(plan, where, file, context)


def _terminated(*_: Any) -> None:
    from mlspec.child_process import Terminated

    raise Terminated


def _agreed(console: Console) -> bool:
    if os.environ.get("CI"):
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("there is nobody here to ask", help="add --yes to go ahead, or --dry-run to only look")
    return console.confirm("Go ahead?")


@dataclass(frozen=True, slots=True)
class _Doors:
    """Everything that leaves a mark: real, or for show."""

    write: Callable[[], None]
    engine: Engine
    recorder: Recorder
    watcher: Watcher
    close: Callable[[Sequence[Outcome]], int]


def _real(console: Console, outlook: ApplyPlan, where: SpecFile) -> _Doors:
    from mlspec.apply.apply_plan import outdated
    from mlspec.cli.progress import Progress
    from mlspec.cli.summary import close
    from mlspec.report import write as write_report
    from mlspec.workspace import build_stamp
    from mlspec.workspace.writer import write

    build, roots = outlook.build, outlook.roots
    question = build_stamp.ask(where.spec, where.environment)

    def write_files() -> None:
        write(outlook.changes, roots)
        build_stamp.remember(question, roots, build.project.surroundings, outlook.changes, build.warnings)

    def end(outcomes: Sequence[Outcome]) -> int:
        _write_reads(outlook, where)
        old = outdated(build, outlook.engine)
        path = write_report(build.project, build.plan, outcomes, roots.project, outdated=old)
        return close(console, outlook, outcomes, path)

    watcher = Progress(console, outlook.schedule, outlook.estimates)
    return _Doors(write_files, outlook.engine, outlook.journal, watcher, end)


def _write_reads(outlook: ApplyPlan, where: SpecFile) -> None:
    """Build again where a stage opened files that nothing declared: they are inputs in `dvc.yaml` from now on."""
    from mlspec.compiler import compile_project
    from mlspec.source.project_context import recorded
    from mlspec.workspace.compare import compare
    from mlspec.workspace.lock import read_lock
    from mlspec.workspace.writer import write

    if recorded(where.root) == outlook.build.project.surroundings.reads:
        return
    changes = compare(compile_project(where.spec, where.environment).files, outlook.roots, read_lock(outlook.roots))
    if changes.conflict() is None:
        write(changes, outlook.roots)


def _display(console: Console, outlook: ApplyPlan) -> _Doors:
    from mlspec.cli.progress import Quiet
    from mlspec.cli.summary import dry
    from mlspec.run.engines.dry_run import Display
    from mlspec.run.journal import Silent

    return _Doors(
        lambda: None, Display(outlook.engine), Silent(), Quiet(), lambda outcomes: dry(console, outlook, outcomes)
    )


def _carry_out(outlook: ApplyPlan, doors: _Doors) -> int:
    from mlspec.run.runner import run

    doors.write()
    return doors.close(run(outlook.schedule, doors.engine, doors.recorder, doors.watcher))
