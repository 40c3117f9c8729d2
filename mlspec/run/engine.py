"""The interface between the runner and an engine, and how an engine is created for a project."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mlspec.plan.stage import Stage
from mlspec.run.outcome import Outcome
from mlspec.run.schedule import MissingRequirement
from mlspec.stage_context import StageContext
from mlspec.stage_result import Reason

Watch = Callable[[str], None]
"""Receives each new line of the stage's log, and `""` now and then to update a clock."""
Observer = Callable[[], Reason | None]
"""Why a stage with effects would run; None where its resources match the spec."""


@dataclass(frozen=True, slots=True)
class EngineProject:
    """The project that an engine works on.

    `coming` are the texts that a build is about to write, None for a file that it deletes; `raw_data` the paths that
    DVC tracks; `observers` look up the resources of stages with effects; `context` is what each stage is passed;
    with `pull` outputs that another machine has pushed are taken from the DVC remote.
    """

    root: Path
    coming: Mapping[str, str | None] = field(default_factory=dict)
    raw_data: tuple[str, ...] = ()
    observers: Mapping[str, Observer] = field(default_factory=dict)
    context: StageContext = field(default_factory=StageContext)
    pull: bool = False


class Engine(Protocol):
    """Runs the stages of one project."""

    @property
    def max_jobs(self) -> int:
        """How many stages it can run at once."""

    def status(self, stages: Sequence[Stage]) -> Mapping[str, Reason | None]:
        """For each stage why it would run, regardless of the others; None where it is up to date. Changes nothing."""

    def lacks(self, stage: Stage) -> MissingRequirement | None:
        """The first requirement of the stage that this machine does not meet; None where it meets all."""

    def prepare(self, stages: Sequence[Stage]) -> None:
        """Prepare to run these stages, once before the first. Raises StageError where that is not possible."""

    def run(self, stage: Stage, watch: Watch, *, force: bool = False) -> Outcome:
        """Run one stage. A failure is an Outcome, and so is a KeyboardInterrupt, which ends the stage's processes."""

    def interrupt(self) -> None:
        """Stop the stages that run in other threads; their Outcomes are `interrupted`."""


EngineFactory = Callable[[EngineProject], Engine]
"""Creates an engine for a project: the type of the entries of `ENGINES`."""
