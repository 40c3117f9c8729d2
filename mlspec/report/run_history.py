"""The journal to the outcomes and the time of the last run, and the durations of the one before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from mlspec.run.journal import Journal, JournalEntry
from mlspec.run.outcome import Outcome
from mlspec.stage_result import Reason


@dataclass(frozen=True, slots=True)
class RunHistory:
    """`outcomes` of the last run; `when` it started, as text; `before` the seconds of each stage the time before."""

    outcomes: tuple[Outcome, ...] = ()
    when: str = ""
    before: Mapping[str, float] = field(default_factory=dict)


def history(root: Path) -> RunHistory:
    """The runs in the journal of the project's folder; empty without one. A line that was cut short is ignored."""
    runs: dict[str, list[JournalEntry]] = {}
    for entry in Journal(root).entries():
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


def _readable(start: str) -> str:
    """`2026-11-23 18:05 UTC`; text of another form as it is."""
    try:
        moment = datetime.fromisoformat(start)
    except ValueError:
        return start
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%d %H:%M}{' UTC' if moment.tzinfo else ''}"
