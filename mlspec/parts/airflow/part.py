"""`orchestrate.airflow` to one DAG file, which loads the stages from mlspec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from mlspec.parts.orchestrate import pipeline_options
from mlspec.parts.part_protocol import no_check as check
from mlspec.parts.part_protocol import no_stages as stages
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Stage
from mlspec.sections.orchestrate import Orchestrate
from mlspec.spec.project import Project

__all__ = ["NAME", "PROGRAMS", "artifacts", "check", "stages"]

NAME: Final = "airflow"
PROGRAMS: Mapping[str, str] = {}


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterator[Artifact]:
    """The DAG. Stages are not in it: it loads them from `mlspec graph --json`."""
    section = project.get(Orchestrate)
    if section is None or section.airflow is None:
        return
    values = {
        "name": project.info.name,
        "dag": f"mlspec_{pipeline_options.identifier(project.info.name)}",
        "description": project.info.description,
        "environments": [name for name in pipeline_options.environments(project).values() if name is not None],
        "schedule": pipeline_options.schedule(project, section.airflow),
        **pipeline_options.limits(section.airflow),
    }
    yield Artifact(f"orchestrate/airflow/{values['dag']}.py", "airflow/dag.py.j2", values)
