"""`mlspec apply`: build, then run what is not up to date."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from mlspec.cli.console import Console
from mlspec.cli.options import place, spec_options
from mlspec.errors import EXIT_OK, EXIT_STAGE, UsageError

if TYPE_CHECKING:
    from mlspec.cli.line import Line
    from mlspec.run.outcome import Outcome
    from mlspec.run.schedule import Step


@click.command()
@spec_options
@click.option("--until", metavar="STAGE", help="Only what this stage needs, and itself.")
@click.option("--only", metavar="STAGE", multiple=True, help="Only this stage.")
@click.option("--force", metavar="STAGE", multiple=True, help="Run this stage even if it is up to date.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
def command(
    spec: str | None,
    env: str | None,
    as_json: bool,
    until: str | None,
    only: tuple[str, ...],
    force: tuple[str, ...],
    yes: bool,
    dry_run: bool,
) -> int:
    """Build the files, then run the stages that are not up to date.

    It shows first what it will do and asks at a terminal. Where nobody can answer, it runs only with --yes, or in CI.
    Killed at any moment, the next apply goes on.
    """
    from mlspec.cli.line import selected, show, survey, to_json
    from mlspec.workspace.mutex import hold
    from mlspec.workspace.roots import find_roots
    from mlspec.workspace.writer import recover

    console = Console(as_json=as_json)
    where = place(spec, env)
    roots = find_roots(where.root)
    with ExitStack() as held:
        if not dry_run:
            held.enter_context(hold(roots, "mlspec apply", wait=False, on_wait=console.say))
            recover(roots)
        line = survey(where, console, selected(until, only, force))
        if not as_json:
            show(console, line)
        if dry_run:
            if as_json:
                console.document(to_json(line))
            return EXIT_OK
        if conflict := line.changes.conflict():
            raise conflict
        if not _agreed(console, line.steps, line.changes.changed, yes):
            console.say("nothing was done")
            return EXIT_OK
        return _go(console, line)


def _agreed(console: Console, steps: Sequence[Step], changed: bool, yes: bool) -> bool:
    if yes or os.environ.get("CI") or not (changed or any(s.action == "run" for s in steps)):
        return True
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked here", help="mlspec apply --yes runs without asking")
    return console.confirm("\nDo this?")


def _go(console: Console, line: Line) -> int:
    from mlspec.cli.progress import Progress
    from mlspec.run.runner import run
    from mlspec.workspace.writer import write

    if line.changes.changed:
        write(line.changes, line.roots)
    name = uuid.uuid4().hex[:12]
    width = max((len(step.stage.name) for step in line.steps), default=0)
    console.say()
    outcomes = run(line.steps, line.engine, line.journal, Progress(console, width), name)
    report = _report(line, outcomes)
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    _close(console, outcomes, report)
    return EXIT_STAGE if failed else EXIT_OK


def _report(line: Line, outcomes: Sequence[Outcome]) -> str:
    from mlspec.run.report import write

    path = write(line.build.project, line.build.plan, outcomes, line.place.root)
    return os.path.relpath(path)


def _close(console: Console, outcomes: Sequence[Outcome], report: str) -> None:
    from dataclasses import asdict

    from mlspec.cli.line import duration

    if console.as_json:
        console.document(
            {
                "ok": all(o.status != "failed" for o in outcomes),
                "stages": [asdict(outcome) for outcome in outcomes],
                "report": report,
            }
        )
        return
    counts = {status: sum(o.status == status for o in outcomes) for status in ("ran", "cached", "skipped", "failed")}
    words = {"ran": "ran", "cached": "up to date", "skipped": "skipped", "failed": "failed"}
    text = ", ".join(f"{count} {words[status]}" for status, count in counts.items() if count)
    seconds = sum(outcome.seconds for outcome in outcomes)
    console.out(f"\n{text or 'nothing to do'}" + (f" in {duration(seconds)}" if seconds else ""))
    console.out(f"report: {report}")
