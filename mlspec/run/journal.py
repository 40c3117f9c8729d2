"""The events of every run in `.mlspec/journal.jsonl`: one JSON row each, append-only, each synced to disk.

`run` names the run, `at` is an ISO 8601 time, `event` is `begin` (with `stages`), `stage` (with the fields of an
Outcome) or `end`.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypedDict, get_args

from mlspec.run.outcome import Outcome, Status
from mlspec.stage_result import reason_of

NAME = ".mlspec/journal.jsonl"


class StageRow(TypedDict):
    """The row of a stage."""

    at: str
    run: str
    event: str
    stage: str
    status: str
    reason: str
    reason_kind: str
    help: str
    seconds: float
    log: str | None


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One row of the journal. A field of another type than expected is left at its default."""

    run: str
    at: str
    event: str
    stages: tuple[str, ...] = ()
    """Of `begin`: the stages in the order of the run."""
    outcome: Outcome | None = None
    """Of `stage`."""


class Recorder(Protocol):
    """Records the events of a run."""

    def begin(self, stages: Sequence[str]) -> None: ...  # noqa: D102

    def outcome(self, outcome: Outcome) -> None: ...  # noqa: D102

    def end(self, status: str) -> None: ...  # noqa: D102


class Journal:
    """The journal of one project. A row cut off by a kill is skipped, and the next one starts on a new line."""

    def __init__(self, root: Path) -> None:
        self.path = root / NAME
        self._run = ""

    def begin(self, stages: Sequence[str]) -> None:
        """Record the start of a run over these stages."""
        self._run = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{os.getpid()}"
        self._write("begin", stages=list(stages))

    def outcome(self, outcome: Outcome) -> None:
        """Record the end of a stage."""
        self._add(_stage_row(_now(), self._run, outcome))

    def end(self, status: str) -> None:
        """Record the end of the run: `done`, `failed` or `interrupted`."""
        self._write("end", status=status)

    def entries(self) -> list[JournalEntry]:
        """All complete rows, the oldest first."""
        try:
            lines = self.path.read_bytes().split(b"\n")
        except OSError:
            return []
        return [entry for line in lines if line.strip() if (entry := _entry(line)) is not None]

    def durations(self) -> dict[str, float]:
        """Seconds that each stage took when it last ran."""
        return {outcome.stage: outcome.seconds for outcome in self._outcomes() if outcome.status == "ran"}

    def last(self) -> dict[str, Outcome]:
        """How each stage ended the last time."""
        return {outcome.stage: outcome for outcome in self._outcomes()}

    def last_rows(self) -> dict[str, StageRow]:
        """Each stage's last row, in its stable JSON shape."""
        entries = self.entries()
        return {e.outcome.stage: _stage_row(e.at, e.run, e.outcome) for e in entries if e.outcome is not None}

    def _outcomes(self) -> list[Outcome]:
        return [entry.outcome for entry in self.entries() if entry.outcome is not None]

    def _write(self, event: str, **row: object) -> None:
        self._add({"at": _now(), "run": self._run, "event": event, **row})

    def _add(self, row: Mapping[str, object]) -> None:
        line = json.dumps(row, ensure_ascii=False).encode() + b"\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as file:
            if file.tell() and not _ends_with_newline(file.fileno(), file.tell()):
                line = b"\n" + line
            file.write(line)
            file.flush()
            os.fsync(file.fileno())


class Silent:
    """Records nothing: for a dry run."""

    def begin(self, stages: Sequence[str]) -> None:
        """Do nothing."""

    def outcome(self, outcome: Outcome) -> None:
        """Do nothing."""

    def end(self, status: str) -> None:
        """Do nothing."""


def _ends_with_newline(descriptor: int, size: int) -> bool:
    return os.pread(descriptor, 1, size - 1) == b"\n"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _stage_row(at: str, run: str, outcome: Outcome) -> StageRow:
    return {
        "at": at,
        "run": run,
        "event": "stage",
        "stage": outcome.stage,
        "status": outcome.status,
        "reason": outcome.reason.text,
        "reason_kind": outcome.reason.kind,
        "help": outcome.help,
        "seconds": outcome.seconds,
        "log": outcome.log,
    }


def _entry(line: bytes) -> JournalEntry | None:
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


def _outcome(values: Mapping[str, object]) -> Outcome | None:
    stage = values.get("stage")
    status = next((s for s in get_args(Status) if s == values.get("status")), None)
    if not isinstance(stage, str) or status is None:
        return None
    reason = reason_of({"kind": values.get("reason_kind"), "text": values.get("reason") or ""})
    log = values.get("log")
    path = log if isinstance(log, str) else None
    return Outcome(stage, status, reason, _text(values.get("help")), _seconds(values.get("seconds")), path)


def _text(value: object) -> str:
    return str(value or "")


def _seconds(value: object) -> float:
    """The value as a finite number; 0 for anything else."""
    try:
        seconds = float(value) if isinstance(value, int | float | str) else 0.0
    except (ValueError, OverflowError):
        return 0.0
    return seconds if math.isfinite(seconds) else 0.0
