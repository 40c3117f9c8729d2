"""`mlspec apply`: build, then run the stages that are not up to date."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from mlspec.cli.console import Console
from mlspec.cli.options import place, spec_options
from mlspec.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_STAGE, UsageError


@click.command()
@spec_options
@click.option("--until", metavar="STAGE", help="Run up to this stage: it and all it needs.")
@click.option("--only", multiple=True, metavar="STAGE", help="Run this stage and no other. May be repeated.")
@click.option("--force", multiple=True, metavar="STAGE", help="Run this stage even if it is up to date.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, help="Stages at once; DVC runs one at a time.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
def command(spec: str | None, env: str | None, as_json: bool, **asked: Any) -> int:
    """Build, then run the stages that are not up to date.

    Shows first what it will do and why, and asks. Without a terminal it needs --yes, unless the environment variable CI
    is set. A run that was stopped or killed goes on where it was.
    """
    from mlspec.cli.outlook import look_ahead, show
    from mlspec.run.schedule import Selection
    from mlspec.workspace.mutex import hold
    from mlspec.workspace.roots import find_roots
    from mlspec.workspace.writer import recover

    where, console = place(spec, env), Console(as_json=as_json)
    selection = Selection(asked["until"], asked["only"], asked["force"])
    dry = bool(asked["dry_run"])
    signal.signal(signal.SIGTERM, _terminated)
    roots = find_roots(where.root)
    with hold(roots, "mlspec apply", wait=False):
        recover(roots)
        outlook = look_ahead(where, selection)
        console.diagnostics(outlook.build.warnings)
        show(console, outlook)
        if conflict := outlook.changes.conflict():
            raise conflict
        if not (dry or asked["yes"] or outlook.nothing_to_do) and not _agreed(console):
            console.say("nothing was done")
            return EXIT_OK
        return _carry_out(console, outlook, _display(outlook) if dry else _real(outlook, where.spec, env))


def _terminated(*_: Any) -> None:
    from mlspec.run.process import Terminated

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
    engine: Any
    recorder: Any
    report: Callable[[Sequence[Any]], Path | None]


def _real(outlook: Any, spec: Path, env: str | None) -> _Doors:
    from mlspec.run.report import write as write_report
    from mlspec.workspace import stamp
    from mlspec.workspace.writer import write

    build, roots = outlook.build, outlook.roots
    question = stamp.ask(spec, env)

    def write_files() -> None:
        write(outlook.changes, roots)
        stamp.remember(question, roots, build.project.surroundings, outlook.changes, build.warnings)

    def report(outcomes: Sequence[Any]) -> Path | None:
        return write_report(build.project, build.plan, outcomes, roots.project)

    return _Doors(write_files, outlook.engine, outlook.journal, report)


def _display(outlook: Any) -> _Doors:
    from mlspec.run.engines.display import Display
    from mlspec.run.journal import Silent

    return _Doors(lambda: None, Display(outlook.engine), Silent(), lambda _: None)


def _carry_out(console: Console, outlook: Any, doors: _Doors) -> int:
    from mlspec.cli.progress import Progress
    from mlspec.cli.summary import close
    from mlspec.run.runner import run

    doors.write()
    watcher = Progress(console, outlook.schedule, outlook.estimates)
    outcomes = run(outlook.schedule, doors.engine, doors.recorder, watcher)
    report = doors.report(outcomes)
    found = {outcome.status for outcome in outcomes}
    code = EXIT_INTERRUPTED if "interrupted" in found else EXIT_STAGE if "failed" in found else EXIT_OK
    close(console, outlook, outcomes, report, code)
    return code
