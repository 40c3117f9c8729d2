"""An engine for dry runs: the status of the wrapped engine, and no stage is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlspec.plan.stage import Stage
from mlspec.run.engine import Engine, Watch
from mlspec.run.outcome import Outcome
from mlspec.run.schedule import MissingRequirement
from mlspec.stage_result import Reason


class DryRun:
    """Returns the status that `engine` returns, and runs nothing."""

    max_jobs = 1

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def status(self, stages: Sequence[Stage]) -> Mapping[str, Reason | None]:
        """The result of the wrapped engine."""
        return self._engine.status(stages)

    def lacks(self, stage: Stage) -> MissingRequirement | None:
        """The result of the wrapped engine."""
        return self._engine.lacks(stage)

    def prepare(self, stages: Sequence[Stage]) -> None:
        """Nothing to prepare."""

    def interrupt(self) -> None:
        """No stage runs."""

    def run(self, stage: Stage, watch: Watch, *, force: bool = False) -> Outcome:  # noqa: ARG002 - the protocol's
        """The outcome of a stage that would have run."""
        command = f"{stage.command}{' --force' if force else ''}"
        return Outcome(stage.name, "skipped", Reason("dry-run", f"dry run: `{command}`"))
