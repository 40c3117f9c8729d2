"""`orchestrate.airflow` to one DAG file. It has the stages as data: Airflow parses it every 30 seconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from mlspec.parts.orchestrate import pipeline_options
from mlspec.parts.part_protocol import no_check as check
from mlspec.parts.part_protocol import no_stages as stages
from mlspec.plan.artifact import Artifact
from mlspec.plan.graph import upstream
from mlspec.plan.stage import Stage
from mlspec.sections.orchestrate import Orchestrate
from mlspec.spec.project import Project

__all__ = ["NAME", "PROGRAMS", "artifacts", "check", "stages"]

NAME: Final = "airflow"
PROGRAMS: Mapping[str, str] = {}


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterator[Artifact]:
    """The DAG, with the stages that change nothing outside the project."""
    section = project.get(Orchestrate)
    if section is None or section.airflow is None:
        return
    values = {
        "name": project.info.name,
        "dag": f"mlspec_{pipeline_options.identifier(project.info.name)}",
        "description": project.info.description,
        "environments": [name for name in pipeline_options.environments(project).values() if name is not None],
        "schedule": pipeline_options.schedule(project, section.airflow),
        "stages": _stages(stages, clones=section.airflow.repository is not None),
        **pipeline_options.checkout(project, section.airflow),
    }
    yield Artifact(f"orchestrate/airflow/{values['dag']}.py", "airflow/dag.py.j2", values)


def _stages(stages: Sequence[Stage], *, clones: bool) -> list[dict[str, object]]:
    """What the DAG has of each stage. A task in a clone restores the stages before its own, or runs them again."""
    kept = {stage.name: stage for stage in stages if not stage.effects}
    needs = upstream(stages)
    within = {name: _with_all_before(name, needs) if clones else {name} for name in kept}
    return [
        {
            "stage": name,
            "after": [before for before in needs[name] if before in kept],
            "retries": stage.resources.retries,
            "retry_delay": stage.resources.retry_delay,
            "timeout": _sum(kept[each].resources.timeout for each in within[name] if each in kept),
            "description": stage.description,
        }
        for name, stage in kept.items()
    ]


def _with_all_before(name: str, needs: Mapping[str, Sequence[str]]) -> set[str]:
    return {name}.union(*(_with_all_before(before, needs) for before in needs[name]))


def _sum(limits: Iterable[int | None]) -> int | None:
    """None where one has no limit."""
    known = list(limits)
    return sum(limit or 0 for limit in known) if all(known) else None
