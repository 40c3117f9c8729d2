"""The end of a run on the terminal: what failed and how to resume, warnings, counts, and the path of the report."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mlspec.apply.apply_plan import ApplyPlan
from mlspec.apply.execute import RunResult
from mlspec.apply.summary import counts, exit_code, missing_requirements, repeated_options, result_json
from mlspec.child_process import last_lines
from mlspec.cli import local_target
from mlspec.cli.console import Console
from mlspec.cli.plan_text import duration
from mlspec.errors import EXIT_INTERRUPTED
from mlspec.run.engines.dvc_engine import for_people_at_dvc
from mlspec.run.outcome import Outcome, Status

_TAIL = 15
_LOG = 200
"""The last lines of a log in which the error of a stage is searched."""
_HELP = re.compile(r"\s+= help: (.+)")
_TABLE = 20
"""Decisions of a stage that the terminal shows; its log has all."""
_COMMANDS = re.compile(r"mlspec (?:apply|releases|rollback|why|destroy)\b(?! --(?:env|target)\b)")
"""Commands in a help, which are shown with the environment and the target of this run; nothing else depends on them."""
_WORDS: dict[Status, str] = {
    "ran": "ran",
    "cached": "up to date",
    "skipped": "skipped",
    "failed": "failed",
    "interrupted": "interrupted",
}


def close(console: Console, plan: ApplyPlan, result: RunResult) -> int:
    """Say how the run ended, with `--json` as one document; gives the exit code."""
    if console.as_json:
        console.document(result_json(plan, result))
    if result.report is None:
        console.say("dry run: nothing was written, and no stage ran")
        return exit_code(result)
    options = repeated_options(plan)
    for outcome in result.outcomes:
        if outcome.status == "failed":
            _failure(console, outcome, plan.roots.project, options)
    if result.push_error is not None:
        console.say(f"{console.paint('error', 'red', 'bold')}: {result.push_error.message}")
        console.say(f"  = help: {result.push_error.help}")
    _skipped(console, result.outcomes)
    _reported(console, result.outcomes)
    if any(outcome.status != "cached" for outcome in result.outcomes):
        console.say(_counts(result.outcomes))
    if exit_code(result) == EXIT_INTERRUPTED:
        console.say(f"  = help: to resume: mlspec apply{options}")
    console.out(f"report: {result.report.relative_to(plan.roots.project).as_posix()}")
    local_target.show(console, plan.context)
    return exit_code(result)


def _reported(console: Console, outcomes: Sequence[Outcome]) -> None:
    """The decisions and warnings of all stages. Without a terminal the decisions are lines of the log already."""
    for outcome in outcomes if console.terminal else ():
        _decisions(console, outcome)
    for outcome in outcomes:
        for warning in outcome.warnings:
            console.say(f"{console.paint('warning', 'yellow', 'bold')}: {outcome.stage}: {warning}")


def _counts(outcomes: Sequence[Outcome]) -> str:
    numbers = counts(outcomes)
    words = ", ".join(f"{numbers[status]} {word}" for status, word in _WORDS.items() if numbers.get(status))
    return f"{words} ({duration(sum(outcome.seconds for outcome in outcomes))})"


def _failure(console: Console, outcome: Outcome, root: Path, options: str) -> None:
    console.say()
    console.say(f"{console.paint('error', 'red', 'bold')}: {outcome.stage} failed: {outcome.reason}")
    helps = dict.fromkeys([outcome.help] if outcome.help else [])
    if outcome.log:
        excerpt = _excerpt(root / outcome.log, outcome)
        helps |= dict.fromkeys(excerpt.helps)
        for line in excerpt.lines:
            console.say(f"  | {line}")
        console.say(f"  = log: {outcome.log} (mlspec logs {outcome.stage})")
    for help in helps:
        console.say(f"  = help: {_COMMANDS.sub(lambda match: match[0] + options, help)}")
    console.say(f"  = resume: mlspec apply{options}")


class _Excerpt(NamedTuple):
    """The lines of a log that explain a failure, and the help lines of its error."""

    lines: Sequence[str]
    helps: Sequence[str]


def _excerpt(log: Path, outcome: Outcome) -> _Excerpt:
    """What the stage printed below its error, from the beginning, and as many lines before it as the limit allows."""
    lines = [line for line in last_lines(log, _LOG) if not for_people_at_dvc(line)]
    heads = (f"error: {outcome.reason}", f"error: {outcome.reason}:")
    at = max((index for index, line in enumerate(lines) if line.strip() in heads), default=len(lines))
    below = [line for line in lines[at + 1 :] if not _HELP.match(line)]
    helps = [match[1] for line in lines[at + 1 :] if (match := _HELP.match(line))]
    if len(below) > _TAIL:
        below = [*below[: _TAIL - 1], f"  and {len(below) - _TAIL + 1} more lines"]
    left = _TAIL - len(below)
    return _Excerpt([*(lines[max(0, at - left) : at] if left else []), *below], helps)


def _decisions(console: Console, outcome: Outcome) -> None:
    """How the stage interpreted what the spec leaves open, as a table."""
    if outcome.decisions:
        console.say(console.paint(f"{outcome.stage} decided:", "bold"))
    for line in outcome.decisions[:_TABLE]:
        console.say(f"  {line}")
    if len(outcome.decisions) > _TABLE:
        console.say(f"  and {len(outcome.decisions) - _TABLE} more (mlspec logs {outcome.stage})")


def _skipped(console: Console, outcomes: Sequence[Outcome]) -> None:
    """Each command that installs what is missing, once, with the stages that require it."""
    for missing, stages in missing_requirements(outcomes).items():
        console.say(f"skipped {', '.join(stages)}: {missing.text}")
        console.say(f"  = help: {missing.help}")
