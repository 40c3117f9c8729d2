"""What the runner asks of an engine. A faster one comes beside DVC's, behind the same four calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from mlspec.plan.stage import Stage
from mlspec.run.outcome import Outcome
from mlspec.stage_result import Reason

Watch = Callable[[str], None]
"""Is given each new line of the stage's log, and `""` now and then so that a clock can go on."""


class Engine(Protocol):
    """Carries out stages, one at a time."""

    def status(self, stages: Sequence[Stage]) -> Mapping[str, Reason | None]:
        """For each stage why it would run, taken by itself; None where it is up to date. Changes nothing."""

    def lacks(self, stage: Stage) -> tuple[str, str] | None:
        """What this machine lacks for the stage, and the command that mends it; None where nothing is missing."""

    def prepare(self, stages: Sequence[Stage]) -> None:
        """Make ready for these stages, once before the first. Raises StageError where that cannot be done."""

    def run(self, stage: Stage, watch: Watch, *, force: bool = False) -> Outcome:
        """Carry out one stage. Its failure is an Outcome, and so is a KeyboardInterrupt, which ends its processes."""
