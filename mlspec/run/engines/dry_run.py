"""A dry run: the same Plan, asked the same questions, and nothing carried out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlspec.plan.stage import Stage
from mlspec.run.engine import Engine, Watch
from mlspec.run.outcome import Outcome
from mlspec.stage_result import Reason


class Display:
    """Answers as `engine` would, and runs nothing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def status(self, stages: Sequence[Stage]) -> Mapping[str, Reason | None]:
        """As the engine behind it."""
        return self._engine.status(stages)

    def lacks(self, stage: Stage) -> tuple[str, str] | None:
        """As the engine behind it."""
        return self._engine.lacks(stage)

    def prepare(self, stages: Sequence[Stage]) -> None:
        """Nothing."""

    def run(self, stage: Stage, watch: Watch, *, force: bool = False) -> Outcome:  # noqa: ARG002 - the protocol's
        """Say what would have run."""
        return Outcome(
            stage.name, "skipped", Reason("dry-run", f"dry run: `{stage.command}`{' --force' if force else ''}")
        )
