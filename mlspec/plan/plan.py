"""The Plan of a Project: all artifacts and stages."""

from __future__ import annotations

from typing import NamedTuple

from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Stage


class Plan(NamedTuple):
    """Artifacts by path, stages in topological order."""

    artifacts: tuple[Artifact, ...]
    stages: tuple[Stage, ...]

    def stage(self, name: str) -> Stage | None:
        """The stage of that name."""
        return next((s for s in self.stages if s.name == name), None)
