"""The Plan of a Project: all artifacts and stages."""

from __future__ import annotations

from dataclasses import dataclass

from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Stage


@dataclass(frozen=True, slots=True)
class Plan:
    """Artifacts by path, stages in topological order."""

    artifacts: tuple[Artifact, ...]
    stages: tuple[Stage, ...]

    def stage(self, name: str) -> Stage | None:
        """The stage of that name."""
        return next((s for s in self.stages if s.name == name), None)
