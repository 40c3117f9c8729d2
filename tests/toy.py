"""A small language of toy parts, for tests of what holds for every part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from mlspec.diagnostics import Finding
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Stage
from mlspec.spec.project import Project
from mlspec.spec.spec_model import SpecModel


class Stopping(SpecModel):
    """When to stop."""

    patience: int = Field(2, ge=0, description="Epochs without progress")
    monitor: str = Field("valid/loss", description="What to watch")


class Training(SpecModel):
    """Settings of training."""

    max_epochs: int = Field(10, ge=1, description="Passes over the data")
    learning_rate: float = Field(1e-3, gt=0, description="Step size")
    optimizer: Literal["adamw", "sgd"] = Field("adamw", description="Which optimizer")
    stopping: Stopping | None = Field(None, description="Early stopping")
    tags: list[str] = Field([], description="Words", max_length=3)
    debug: bool = Field(False, description="Say more")


class Serving(SpecModel):
    """Settings of serving."""

    memory: int = Field(512, ge=128, le=10240, description="Memory in MB")


@dataclass(frozen=True)
class Toy:
    """A part made of values."""

    NAME: str
    SECTIONS: Mapping[str, type[SpecModel]] = field(default_factory=dict)
    PROGRAMS: Mapping[str, str] = field(default_factory=dict)
    checks: Callable[[Project], Iterable[Finding]] = lambda project: ()
    own_stages: tuple[Stage, ...] = ()
    files: tuple[Artifact, ...] = ()

    def check(self, project: Project) -> Iterable[Finding]:
        return self.checks(project)

    def stages(self, project: Project) -> Iterable[Stage]:
        return self.own_stages

    def artifacts(self, project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
        return self.files
