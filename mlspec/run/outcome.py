"""How a stage ended, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypedDict

from mlspec.stage_result import Reason

Status = Literal["ran", "cached", "skipped", "failed", "interrupted"]


class OutcomeJson(TypedDict):
    """The stable JSON shape of an outcome."""

    stage: str
    status: str
    reason: str
    reason_kind: str
    help: str
    seconds: float
    log: str | None
    warnings: list[str]
    decisions: list[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one stage in one run of the pipeline.

    `reason` says why it ran, was skipped or failed; `help` is the command that fixes it or resumes; `log` the path of
    its log relative to the project; `seconds` is wall-clock time. `warnings` and `decisions` are what the stage
    reported on success: possible problems, and how it interpreted what the spec leaves open.
    """

    stage: str
    status: Status
    reason: Reason = field(default_factory=Reason)
    help: str = ""
    seconds: float = 0.0
    log: str | None = None
    warnings: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()

    @property
    def interrupted(self) -> bool:
        """Whether an interruption ended the stage, or came before it."""
        return self.status == "interrupted" or self.reason.kind == "interrupted-before"

    def to_json(self) -> OutcomeJson:
        """The stable JSON shape."""
        return {
            "stage": self.stage,
            "status": self.status,
            "reason": self.reason.text,
            "reason_kind": self.reason.kind,
            "help": self.help,
            "seconds": self.seconds,
            "log": self.log,
            "warnings": list(self.warnings),
            "decisions": list(self.decisions),
        }
