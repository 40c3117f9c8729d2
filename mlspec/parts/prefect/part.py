"""`orchestrate.prefect` to a flow that loads the stages from mlspec, and to `prefect.yaml` with its deployments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from mlspec.parts.orchestrate import pipeline_options
from mlspec.parts.part_protocol import no_check as check
from mlspec.parts.part_protocol import no_stages as stages
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Stage
from mlspec.sections.data import DataSpec
from mlspec.sections.orchestrate import Orchestrate, Prefect
from mlspec.spec.project import Project

__all__ = ["NAME", "PROGRAMS", "artifacts", "check", "stages"]

NAME: Final = "prefect"
PROGRAMS: Mapping[str, str] = {}
NOTICES: Final = "mlspec.parts.prefect.deployment_drift:notices"
FLOW: Final = "orchestrate/prefect/flow.py"


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterator[Artifact]:
    """The flow and `prefect.yaml`. Stages are not in them: the flow loads them from `mlspec graph --json`."""
    section = project.get(Orchestrate)
    if section is None or section.prefect is None:
        return
    about = {"name": project.info.name, "description": project.info.description}
    checkout = {**pipeline_options.checkout(project, section.prefect), "clones": False}  # the worker does
    yield Artifact(FLOW, "prefect/flow.py.j2", {**about, **checkout})
    yield Artifact("prefect.yaml", "prefect/prefect.yaml.j2", {**_values(project, section.prefect), **checkout})


def _values(project: Project, options: Prefect) -> dict[str, object]:
    data = project.get(DataSpec)
    return {
        "name": project.info.name,
        "description": project.info.description,
        "flow": FLOW,
        "environments": pipeline_options.environments(project),
        "schedule": pipeline_options.schedule(project, options),
        "work_pool": options.work_pool,
        "remote": bool(data and data.remote),
    }
