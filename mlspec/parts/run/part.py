"""The section `run`. The compiler puts its values into the stages; it generates nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from pydantic import BaseModel

from mlspec.diagnostics import Finding
from mlspec.parts.part_protocol import no_artifacts as artifacts
from mlspec.parts.part_protocol import no_stages as stages
from mlspec.parts.run.time_limits import check
from mlspec.sections.run import RunSpec
from mlspec.spec.names import suggest
from mlspec.spec.project import Project

__all__ = ["NAME", "PROGRAMS", "SECTIONS", "artifacts", "check", "check_stages", "stages"]

NAME: Final = "run"
SECTIONS: Final[dict[str, type[BaseModel]]] = {"run": RunSpec}
PROGRAMS: Mapping[str, str] = {}


def check_stages(project: Project, known: Collection[str]) -> Iterator[Finding]:
    """Resources of stages that do not exist."""
    section = project.get(RunSpec)
    for name in section.resources if section is not None else ():
        if name not in known:
            at, help = ("run", "resources", name), suggest(name, known, "stages are")
            yield Finding("unknown-stage", at, f"unknown stage `{name}`", help, on="key")
