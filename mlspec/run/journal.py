"""What earlier runs did: one line of JSON for each stage, appended and never rewritten."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlspec.run.outcome import Outcome


class Journal:
    """`.mlspec/journal.jsonl` of a project. A line that a kill has torn is passed over."""

    def __init__(self, root: Path) -> None:
        self.path = root / ".mlspec" / "journal.jsonl"

    def add(self, run: str, outcome: Outcome) -> None:
        """Append an outcome of the run of that name; it is on disk when this returns."""
        row = {"run": run, "at": datetime.now(UTC).isoformat(timespec="seconds"), **asdict(outcome)}
        self.path.parent.mkdir(exist_ok=True)
        with self.path.open("a+b") as file:
            torn = file.tell() > 0 and _last_byte(file) != b"\n"
            file.write((b"\n" if torn else b"") + json.dumps(row).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def rows(self) -> Iterator[dict[str, Any]]:
        """All rows, the oldest first."""
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return
        for line in lines:
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict) and "stage" in row:
                yield row

    def seconds(self, before: str = "") -> dict[str, float]:
        """How long each stage took when it last ran, leaving out the run of the name `before`."""
        rows = [row for row in self.rows() if row.get("status") == "ran" and row.get("run") != before]
        return {str(row["stage"]): float(row["seconds"]) for row in rows}

    def last(self) -> dict[str, dict[str, Any]]:
        """The last row of each stage that did something."""
        return {str(row["stage"]): row for row in self.rows()}


def _last_byte(file: Any) -> bytes:
    file.seek(-1, os.SEEK_END)
    found: bytes = file.read(1)
    return found
