"""The last words of a run: how it went, what failed and where to go on, where the report lies."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mlspec.apply.apply_plan import ApplyPlan, to_json
from mlspec.child_process import last_lines
from mlspec.cli import local_target
from mlspec.cli.console import Console
from mlspec.cli.plan_text import duration
from mlspec.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_STAGE
from mlspec.run.engines.dvc_engine import for_people_at_dvc
from mlspec.run.outcome import Outcome, Status

_TAIL = 15
_TABLE = 20
"""Decisions of a stage that the terminal shows; its log has all."""
_OURS = re.compile(r"mlspec (?:apply|releases|rollback|why|destroy)\b(?! --(?:env|target)\b)")
_WORDS: dict[Status, str] = {
    "ran": "ran",
    "cached": "up to date",
    "skipped": "skipped",
    "failed": "failed",
    "interrupted": "interrupted",
}


def close(console: Console, outlook: ApplyPlan, outcomes: Sequence[Outcome], report: Path) -> int:
    """Say how the run ended, with `--json` as the one document; gives the exit code."""
    root = outlook.roots.project
    shown = report.relative_to(root).as_posix()
    found = {outcome.status for outcome in outcomes}
    code = EXIT_INTERRUPTED if "interrupted" in found else EXIT_STAGE if "failed" in found else EXIT_OK
    if console.as_json:
        console.document({**_document(outlook, outcomes, code), "report": shown})
    options = _options(outlook)
    for outcome in outcomes:
        if outcome.status == "failed":
            _failure(console, outcome, root, options)
    _skipped(console, outcomes)
    for outcome in outcomes:
        _decisions(console, outcome)
    for outcome in outcomes:
        for warning in outcome.warnings:
            console.say(f"{console.paint('warning', 'yellow', 'bold')}: {outcome.stage}: {warning}")
    if found - {"cached"}:
        console.say(_counts(outcomes))
    if code == EXIT_INTERRUPTED:
        console.say(f"  = help: `mlspec apply{options}` goes on from here")
    console.out(f"report: {shown}")
    local_target.show(console, outlook.context)
    return code


def dry(console: Console, outlook: ApplyPlan, outcomes: Sequence[Outcome]) -> int:
    """The end of a dry run."""
    if console.as_json:
        console.document({**_document(outlook, outcomes, EXIT_OK), "report": None})
    console.say("dry run: nothing was written, and nothing ran")
    return EXIT_OK


def _document(outlook: ApplyPlan, outcomes: Sequence[Outcome], code: int) -> dict[str, object]:
    rows = [outcome.to_json() for outcome in outcomes]
    return {"ok": code == EXIT_OK, "exit_code": code, "plan": to_json(outlook), "outcomes": rows}


def _counts(outcomes: Sequence[Outcome]) -> str:
    counts = Counter(outcome.status for outcome in outcomes)
    told = ", ".join(f"{counts[status]} {word}" for status, word in _WORDS.items() if counts[status])
    return f"{told} ({duration(sum(outcome.seconds for outcome in outcomes))})"


def _options(outlook: ApplyPlan) -> str:
    """What a command needs to speak of the same run: another target or environment would be another one."""
    environment = outlook.build.project.environment
    return f"{f' --env {environment}' if environment else ''}{outlook.context.options}"


def _failure(console: Console, outcome: Outcome, root: Path, options: str) -> None:
    console.say()
    console.say(f"{console.paint('error', 'red', 'bold')}: {outcome.stage} failed: {outcome.reason}")
    if outcome.log:
        told = {f"error: {outcome.reason}", f"error: {outcome.reason}:", f"= help: {outcome.help}"}
        for line in last_lines(root / outcome.log, _TAIL):
            # What stands above and below need not stand here too.
            if line.strip() not in told and not for_people_at_dvc(line):
                console.say(f"  | {line}")
        console.say(f"  = log: {outcome.log} (mlspec logs {outcome.stage})")
    if outcome.help:
        help = _OURS.sub(lambda found: found[0] + options, outcome.help)
        console.say(f"  = help: {help}")
    console.say(f"  = go on: mlspec apply{options}")


def _decisions(console: Console, outcome: Outcome) -> None:
    """How the stage interpreted what the spec leaves open, as a table."""
    if outcome.decisions:
        console.say(console.paint(f"{outcome.stage} decided:", "bold"))
    for line in outcome.decisions[:_TABLE]:
        console.say(f"  {line}")
    if len(outcome.decisions) > _TABLE:
        console.say(f"  and {len(outcome.decisions) - _TABLE} more (mlspec logs {outcome.stage})")


def _skipped(console: Console, outcomes: Sequence[Outcome]) -> None:
    """Each command that provides what is missing, once, with the stages that need it."""
    fixes: dict[tuple[str, str], list[str]] = {}
    for outcome in outcomes:
        if outcome.reason.kind == "lacks" and outcome.help:
            fixes.setdefault((outcome.reason.text, outcome.help), []).append(outcome.stage)
    for (reason, help), stages in fixes.items():
        console.say(f"skipped {', '.join(stages)}: {reason}")
        console.say(f"  = help: {help}")
