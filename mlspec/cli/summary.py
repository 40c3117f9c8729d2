"""The last words of a run: how it went, what failed and where to go on, where the report lies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mlspec.cli.console import Console
from mlspec.cli.outlook import Outlook, duration, to_json
from mlspec.run.outcome import Outcome, Status
from mlspec.run.process import last_lines

_TAIL = 15
_WORDS: dict[Status, str] = {
    "ran": "ran",
    "cached": "up to date",
    "skipped": "skipped",
    "failed": "failed",
    "interrupted": "interrupted",
}


def close(console: Console, outlook: Outlook, outcomes: Sequence[Outcome], report: Path | None, code: int) -> None:
    """Say how the run ended; with `--json` as the one document."""
    root = outlook.roots.project
    shown = report.relative_to(root).as_posix() if report else None
    if console.as_json:
        rows = [_row(outcome) for outcome in outcomes]
        console.document(
            {"ok": code == 0, "exit_code": code, "plan": to_json(outlook), "outcomes": rows, "report": shown}
        )
    for outcome in outcomes:
        if outcome.status == "failed":
            _failure(console, outcome, root)
    _skipped(console, outcomes)
    counts = Counter(outcome.status for outcome in outcomes)
    told = ", ".join(f"{counts[status]} {word}" for status, word in _WORDS.items() if counts[status])
    total = sum(outcome.seconds for outcome in outcomes)
    console.say(f"{told or 'no stages'} ({duration(total)})")
    if counts["interrupted"]:
        console.say("  = help: `mlspec apply` goes on from here")
    if shown:
        console.out(f"report: {shown}")


def _failure(console: Console, outcome: Outcome, root: Path) -> None:
    console.say()
    console.say(f"{console.paint('error', 'red', 'bold')}: {outcome.stage} failed: {outcome.reason}")
    if outcome.log:
        for line in last_lines(root / outcome.log, _TAIL):
            console.say(f"  | {line}")
        console.say(f"  = log: {outcome.log} (mlspec logs {outcome.stage})")
    if outcome.help:
        console.say(f"  = help: {outcome.help}")
    console.say("  = go on: mlspec apply")


def _skipped(console: Console, outcomes: Sequence[Outcome]) -> None:
    """Each command that would mend a lack, once, with the stages that it would bring."""
    mends: dict[tuple[str, str], list[str]] = {}
    for outcome in outcomes:
        if outcome.status == "skipped" and outcome.help and outcome.reason.startswith("it needs"):
            mends.setdefault((outcome.reason, outcome.help), []).append(outcome.stage)
    for (reason, help), stages in mends.items():
        console.say(f"skipped {', '.join(stages)}: {reason}")
        console.say(f"  = help: {help}")


def _row(outcome: Outcome) -> dict[str, object]:
    return {
        "stage": outcome.stage,
        "status": outcome.status,
        "reason": outcome.reason,
        "help": outcome.help,
        "seconds": outcome.seconds,
        "log": outcome.log,
    }
