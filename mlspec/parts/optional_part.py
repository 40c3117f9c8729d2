"""A part whose modules are imported by a spec that uses it, and by no other."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

from pydantic import BaseModel

from mlspec.diagnostics import Finding
from mlspec.parts.part_protocol import Part
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Stage
from mlspec.sections.delivery_tool import delivery_tool
from mlspec.sections.orchestrate import Orchestrate
from mlspec.source.document import Plain
from mlspec.spec.project import Project


class PartModule(Protocol):
    """The module `parts/NAME/part.py` of an optional part: a Part without `SECTIONS`, which its registration has."""

    @property
    def NAME(self) -> str: ...  # noqa: D102

    @property
    def PROGRAMS(self) -> Mapping[str, str]: ...  # noqa: D102

    def check(self, project: Project) -> Iterable[Finding]: ...  # noqa: D102

    def stages(self, project: Project) -> Iterable[Stage]: ...  # noqa: D102

    def artifacts(self, project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]: ...  # noqa: D102


@dataclass(frozen=True)
class OptionalPart:
    """The registration of `parts/NAME/part.py`.

    `used` decides whether a project uses it; by default one that has one of its sections.
    """

    NAME: str
    SECTIONS: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    used: Callable[[Project], bool] | None = None

    @property
    def module(self) -> PartModule:
        """The module, imported at the first use."""
        return cast("PartModule", importlib.import_module(f"mlspec.parts.{self.NAME}.part"))

    @property
    def PROGRAMS(self) -> Mapping[str, str]:
        """Stage name to the import path of its body."""
        return self.module.PROGRAMS

    @property
    def OBSERVERS(self) -> Mapping[str, str]:
        """Stage name to the import path of its observer."""
        return getattr(self.module, "OBSERVERS", {})

    @property
    def NOTICES(self) -> str:
        """The import path of what `plan` reports about a system that no stage changes; empty for none."""
        return getattr(self.module, "NOTICES", "")

    @property
    def REMOVALS(self) -> str:
        """The import path of what `destroy` removes with a delivery tool; empty for none."""
        return getattr(self.module, "REMOVALS", "")

    @property
    def POLICIES(self) -> str:
        """The import path of the policies in the files of a delivery tool; empty for none."""
        return getattr(self.module, "POLICIES", "")

    @property
    def LEFT(self) -> str:
        """The import path of what `destroy` reports where only a record on this machine is left; empty for none."""
        return getattr(self.module, "LEFT", "")

    def is_used(self, project: Project) -> bool:
        """Whether the project uses the part, so that its module is imported."""
        return self.used(project) if self.used else any(name in project.sections for name in self.SECTIONS)

    def check(self, project: Project) -> Iterable[Finding]:
        """The findings of the module."""
        return self.module.check(project) if self.is_used(project) else ()

    def stages(self, project: Project) -> Iterable[Stage]:
        """The stages of the module."""
        return self.module.stages(project) if self.is_used(project) else ()

    def artifacts(self, project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
        """The files of the module."""
        return self.module.artifacts(project, stages) if self.is_used(project) else ()

    def name_after(self, environment: str, given: dict[str, Plain]) -> None:
        """Complete the values where the spec leaves out the name of a resource."""
        if any(name in given for name in self.SECTIONS):
            complete = getattr(self.module, "name_after", None)
            if complete is not None:
                complete(environment, given)


def infrastructure(name: str) -> OptionalPart:
    """The part of an infrastructure tool, which `deploy.iac` names."""
    return OptionalPart(name, used=lambda project: delivery_tool(project).name == name)


def orchestrator(name: str) -> OptionalPart:
    """The part of an orchestrator, whose options are `orchestrate.NAME`."""
    return OptionalPart(name, used=lambda project: getattr(project.get(Orchestrate), name, None) is not None)


def used(parts: Sequence[Part], project: Project) -> list[Part]:
    """The parts that the project uses."""
    return [part for part in parts if not isinstance(part, OptionalPart) or part.is_used(project)]
