"""What an engine is. The runner knows no more of it than this."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from mlspec.plan.stage import Stage
from mlspec.run.outcome import Outcome

Sink = Callable[[str], None]
"""Takes each line that a stage prints."""


class Engine(Protocol):
    """Knows which stages are stale, and runs one."""

    def reasons(self, stages: Sequence[Stage]) -> Mapping[str, str | None]:
        """Why each stage is not up to date, looking at its own command, inputs, settings and outputs; None if it is."""

    def run(self, stage: Stage, sink: Sink, *, force: bool) -> Outcome:
        """Run one stage whose inputs are there. KeyboardInterrupt ends the stage's process before it is passed on."""
