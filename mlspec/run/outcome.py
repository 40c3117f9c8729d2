"""What a stage did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ran", "cached", "skipped", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one stage in one run of the line.

    `reason` says why it ran, was skipped or failed, as a sentence part; `help` the command that mends or goes on;
    `log` the path of its log relative to the project; `seconds` is wall-clock time. `warnings` are what the stage has
    to say although it went well: lines of its log that begin with `warning: `, without that word. `decisions` are
    its lines that begin with `decision: `: how it interpreted what the spec leaves open.
    """

    stage: str
    status: Status
    reason: str = ""
    help: str = ""
    seconds: float = 0.0
    log: str | None = None
    warnings: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()
