"""`orchestrate.airflow` to one DAG file. It has the stages as data: Airflow parses it every 30 seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
        "stages": _stages(stages),
        **pipeline_options.checkout(project, section.airflow),
    }
    yield Artifact(f"orchestrate/airflow/{values['dag']}.py", "airflow/dag.py.j2", values)


def _stages(stages: Sequence[Stage]) -> list[dict[str, object]]:
    """What the DAG has of each stage."""
    kept = [stage for stage in stages if not stage.effects]
    needs = upstream(stages)
    names = {stage.name for stage in kept}
    return [
        {
            "stage": stage.name,
            "after": [name for name in needs[stage.name] if name in names],
            "retries": stage.resources.retries,
            "retry_delay": stage.resources.retry_delay,
            "timeout": stage.resources.timeout,
            "description": stage.description,
        }
        for stage in kept
    ]
