"""`data/decisions.json` to frozen data: how the source was interpreted where the spec left it open."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlspec.run.report.files import json_file, mapping, sequence


@dataclass(frozen=True, slots=True)
class Decision:
    """What was interpreted, how, and the key of the spec that changes it, if there is one."""

    subject: str
    reading: str
    key: str


def decisions(artifacts: Path) -> tuple[Decision, ...]:
    """All decisions, in the order in which they were made; an entry of another shape is left out."""
    rows = map(mapping, sequence(json_file(artifacts / "data/decisions.json").get("decisions")))
    return tuple(
        Decision(str(row["subject"]), str(row["reading"]), str(row.get("key") or ""))
        for row in rows
        if row.get("subject") and row.get("reading")
    )
