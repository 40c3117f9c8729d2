"""The journal to the outcomes and the time of the last run, and the durations of the one before.

The journal is one JSON object a line: `run` names the run, `at` is an ISO 8601 time, `event` is `begin` (with
`stages`), `stage` (with the fields of an Outcome) or `end`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from mlspec.report.result_files import finite, lines
from mlspec.run.outcome import Outcome, Status
from mlspec.stage_result import Reason, reason_of

JOURNAL = ".mlspec/journal.jsonl"


@dataclass(frozen=True, slots=True)
class RunHistory:
    """`outcomes` of the last run; `when` it started, as text; `before` the seconds of each stage the time before."""

    outcomes: tuple[Outcome, ...] = ()
    when: str = ""
    before: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One line of the journal. A field of another type than expected is left at its default."""

    run: str
    at: str
    event: str
    stages: tuple[str, ...] = ()
    """Of `begin`: the stages in the order of the run."""
    outcome: Outcome | None = None
    """Of `stage`."""


def history(root: Path) -> RunHistory:
    """The runs in the journal of the project's folder; empty without one. A line that was cut short is ignored."""
    runs: dict[str, list[JournalEntry]] = {}
    for entry in filter(None, map(_entry, lines(root / JOURNAL))):
        runs.setdefault(entry.run, []).append(entry)
    if not runs:
        return RunHistory()
    *earlier, last = runs.values()
    before = {o.stage: o.seconds for run in earlier for o in _outcomes(run) if o.status == "ran"}
    return RunHistory(_outcomes(last), _readable(last[0].at), before)


def _outcomes(run: Sequence[JournalEntry]) -> tuple[Outcome, ...]:
    """The last outcome of each stage. A run without an end was killed in its first stage without an outcome."""
    outcomes = {entry.outcome.stage: entry.outcome for entry in run if entry.outcome is not None}
    stages = next((entry.stages for entry in run if entry.event == "begin"), ())
    if not any(entry.event == "end" for entry in run):
        killed = next((stage for stage in stages if stage not in outcomes), None)
        if killed is not None:
            reason = Reason("killed", "the run was killed")
            outcomes[killed] = Outcome(killed, "interrupted", reason, "mlspec apply")
    return tuple(outcomes.values())


def _entry(line: str) -> JournalEntry | None:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict) or not values:
        return None
    stages = values.get("stages")
    return JournalEntry(
        run=_text(values.get("run")),
        at=_text(values.get("at")),
        event=_text(values.get("event")),
        stages=tuple(s for s in stages if isinstance(s, str)) if isinstance(stages, list) else (),
        outcome=_outcome(values),
    )


def _outcome(values: dict[str, object]) -> Outcome | None:
    stage = values.get("stage")
    status = next((s for s in get_args(Status) if s == values.get("status")), None)
    if not isinstance(stage, str) or status is None:
        return None
    reason = reason_of({"kind": values.get("reason_kind"), "text": values.get("reason") or ""})
    seconds, log = values.get("seconds"), values.get("log")
    spent = finite(seconds) if isinstance(seconds, int | float | str) else None
    path = log if isinstance(log, str) else None
    return Outcome(stage, status, reason, _text(values.get("help")), spent or 0.0, path)


def _text(value: object) -> str:
    return str(value or "")


def _readable(start: str) -> str:
    """`2026-11-23 18:05 UTC`; text of another form as it is."""
    try:
        moment = datetime.fromisoformat(start)
    except ValueError:
        return start
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%d %H:%M}{' UTC' if moment.tzinfo else ''}"
