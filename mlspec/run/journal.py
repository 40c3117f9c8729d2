"""The events of every run in `.mlspec/journal.jsonl`: one JSON row each, append-only, each synced to disk."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from mlspec.run.outcome import Outcome

NAME = ".mlspec/journal.jsonl"
Row = Mapping[str, object]


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
        self._add(event="begin", stages=list(stages))

    def outcome(self, outcome: Outcome) -> None:
        """Record the end of a stage."""
        reason = {"reason": outcome.reason.text, "reason_kind": outcome.reason.kind}
        row = {"stage": outcome.stage, "status": outcome.status, **reason, "help": outcome.help}
        self._add(event="stage", **row, seconds=outcome.seconds, log=outcome.log)

    def end(self, status: str) -> None:
        """Record the end of the run: `done`, `failed` or `interrupted`."""
        self._add(event="end", status=status)

    def rows(self) -> list[Row]:
        """All complete rows, the oldest first."""
        try:
            lines = self.path.read_bytes().split(b"\n")
        except OSError:
            return []
        parsed = [_row(line) for line in lines if line.strip()]
        return [row for row in parsed if row is not None]

    def durations(self) -> dict[str, float]:
        """Seconds that each stage took when it last ran."""
        return {str(row["stage"]): float(str(row["seconds"])) for row in self._stages() if row.get("status") == "ran"}

    def last(self) -> dict[str, Row]:
        """Each stage's last row."""
        return {str(row["stage"]): row for row in self._stages()}

    def _stages(self) -> list[Row]:
        return [row for row in self.rows() if row.get("event") == "stage" and "stage" in row and "seconds" in row]

    def _add(self, **row: object) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        line = json.dumps({"at": now, "run": self._run, **row}, ensure_ascii=False).encode() + b"\n"
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


def _row(line: bytes) -> Row | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
