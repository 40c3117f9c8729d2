"""`decisions.json` of the stages `data` and `train` to frozen data: what was decided where the spec left it open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlspec.run.report.files import json_file, mapping, sequence

RECORDS = ("data/decisions.json", "train/decisions.json")


@dataclass(frozen=True, slots=True)
class Decision:
    """What was interpreted, how, and the key of the spec that changes it, if there is one."""

    subject: str
    reading: str
    key: str


def decisions(artifacts: Path) -> tuple[Decision, ...]:
    """All decisions, in the order in which they were made; an entry of another shape is left out."""
    return tuple(decision for name in RECORDS for decision in _recorded(artifacts / name))


def _recorded(file: Path) -> Iterator[Decision]:
    for row in map(mapping, sequence(json_file(file).get("decisions"))):
        if row.get("subject") and row.get("reading"):
            yield Decision(str(row["subject"]), str(row["reading"]), str(row.get("key") or ""))
