"""The journal to what the report tells of runs: how the last one ended, when it was, and the times of the one before.

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

from mlspec.report.result_files import lines, mapping, real, sequence
from mlspec.run.outcome import Outcome, Status
from mlspec.stage_result import Reason, reason_of

JOURNAL = ".mlspec/journal.jsonl"


@dataclass(frozen=True, slots=True)
class RunHistory:
    """`outcomes` of the last run; `when` it started, as text; `before` the seconds of each stage the time before."""

    outcomes: tuple[Outcome, ...] = ()
    when: str = ""
    before: Mapping[str, float] = field(default_factory=dict)


def history(root: Path) -> RunHistory:
    """What the journal in the project's folder says; empty where there is none. A line cut short is passed over."""
    runs: dict[str, list[Mapping[str, object]]] = {}
    for line in lines(root / JOURNAL):
        try:
            entry = mapping(json.loads(line))
        except ValueError:
            continue
        if entry:
            runs.setdefault(str(entry.get("run") or ""), []).append(entry)
    if not runs:
        return RunHistory()
    *earlier, last = runs.values()
    before = {o.stage: o.seconds for run in earlier for o in _outcomes(run) if o.status == "ran"}
    return RunHistory(_outcomes(last), _readable(str(last[0].get("at") or "")), before)


def _outcomes(run: Sequence[Mapping[str, object]]) -> tuple[Outcome, ...]:
    """Each stage's last word. A run without an end was killed in the first stage of which nothing is told."""
    told = {outcome.stage: outcome for outcome in map(_outcome, run) if outcome is not None}
    begun = next((sequence(entry.get("stages")) for entry in run if entry.get("event") == "begin"), ())
    if not any(entry.get("event") == "end" for entry in run):
        open_ = next((stage for stage in begun if isinstance(stage, str) and stage not in told), None)
        if open_ is not None:
            reason = Reason("killed", "the run did not come to its end")
            told[open_] = Outcome(open_, "interrupted", reason, "mlspec apply")
    return tuple(told.values())


def _outcome(entry: Mapping[str, object]) -> Outcome | None:
    stage, status, log = entry.get("stage"), entry.get("status"), entry.get("log")
    known = next((s for s in get_args(Status) if s == status), None)
    if not isinstance(stage, str) or known is None:
        return None
    reason = reason_of({"kind": entry.get("reason_kind"), "text": entry.get("reason") or ""})
    help = str(entry.get("help") or "")
    return Outcome(stage, known, reason, help, real(entry.get("seconds")) or 0.0, log if isinstance(log, str) else None)


def _readable(start: str) -> str:
    """`2026-11-23 18:05 UTC`; text of another form as it is."""
    try:
        moment = datetime.fromisoformat(start)
    except ValueError:
        return start
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%d %H:%M}{' UTC' if moment.tzinfo else ''}"
