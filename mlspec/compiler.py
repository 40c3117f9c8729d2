"""The spine: read, look, check, plan, render."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlspec.diagnostics import Diagnostic
from mlspec.errors import MlspecError
from mlspec.parts.all_parts import PARTS
from mlspec.parts.part_protocol import Part
from mlspec.plan.graph import CycleError, ordered
from mlspec.plan.plan import Plan
from mlspec.plan.stage import Stage, outermost
from mlspec.render.renderer import RenderedFile, render
from mlspec.source.project_context import look
from mlspec.source.reader import read
from mlspec.source.reads import covered
from mlspec.spec.check import check
from mlspec.spec.project import Project

if TYPE_CHECKING:
    from jinja2 import BytecodeCache


@dataclass(frozen=True, slots=True)
class Build:
    """All that follows from a spec, before anything is written."""

    project: Project
    plan: Plan
    files: tuple[RenderedFile, ...]
    warnings: tuple[Diagnostic, ...] = ()


def compile_project(
    path: Path,
    environment: str | None = None,
    parts: Sequence[Part] = PARTS,
    compiled: BytecodeCache | None = None,
) -> Build:
    """The Build of the spec in `path`, overlaid with `environment`. Raises SpecError with every fault of the spec.

    `compiled` keeps compiled templates for other processes; without it nothing is written.
    """
    document = read(path)
    surroundings = look(document, path.parent)
    project, warnings = check(document, surroundings, environment, parts)
    plan = make_plan(project, parts)
    return Build(project, plan, render(plan.artifacts, surroundings.templates, compiled), warnings)


def make_plan(project: Project, parts: Sequence[Part] = PARTS) -> Plan:
    """Every part's stages and files. Two owners of one path, or stages in a circle, are mistakes of a part's author."""
    try:
        stages = ordered([_with_reads(stage, project) for part in parts for stage in part.stages(project)])
    except CycleError as error:
        raise MlspecError(f"stages wait for each other: {error}", code="stage-cycle") from None
    artifacts = [replace(artifact, part=part.NAME) for part in parts for artifact in part.artifacts(project, stages)]
    owners: dict[tuple[str, str], str] = {}
    for artifact in artifacts:
        owner = owners.setdefault((artifact.anchor, artifact.path), artifact.part)
        if owner != artifact.part:
            raise MlspecError(f"{artifact.path} is made by two parts: {owner} and {artifact.part}")
    return Plan(tuple(sorted(artifacts, key=lambda a: (a.anchor, a.path))), stages)


def _with_reads(stage: Stage, project: Project) -> Stage:
    """The stage with what it opened in its last run beyond what it declares as further inputs."""
    reads = [path for path in project.surroundings.reads.get(stage.name, ()) if not covered(path, stage.inputs)]
    return replace(stage, inputs=(*stage.inputs, *outermost(reads))) if reads and not stage.effects else stage
