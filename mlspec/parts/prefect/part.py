"""`orchestrate.prefect` to a flow that loads the stages from mlspec, and to `prefect.yaml` with its deployments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from mlspec.diagnostics import Finding
from mlspec.parts.orchestrate import pipeline_options
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


def check(project: Project) -> Iterator[Finding]:
    """Options of a clone, without a repository to clone; results that are in git and nowhere else."""
    section = project.get(Orchestrate)
    options = section.prefect if section is not None else None
    if options is None:
        return
    for name in ("branch", "propose") if options.repository is None else ():
        if getattr(options, name):
            message = f"`{name}` has no effect without `repository`"
            yield Finding("conflicting-options", ("orchestrate", "prefect", name), message, "remove it", on="key")
    if options.propose and options.repository is not None and not pipeline_options.pushes(project, options):
        message = "`propose` publishes a dvc.lock whose outputs are on no DVC remote"
        help = "set `data.remote`, and remove `push: false`"
        yield Finding("conflicting-options", ("orchestrate", "prefect", "propose"), message, help, on="key")


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterator[Artifact]:
    """The flow and `prefect.yaml`. Stages are not in them: the flow loads them from `mlspec graph --json`."""
    section = project.get(Orchestrate)
    if section is None or section.prefect is None:
        return
    about = {"name": project.info.name, "description": project.info.description}
    options = section.prefect
    cloned = options.repository is not None
    results = {"push": pipeline_options.pushes(project, options), "propose": options.propose, "cloned": cloned}
    yield Artifact(FLOW, "prefect/flow.py.j2", {**about, **results})
    yield Artifact("prefect.yaml", "prefect/prefect.yaml.j2", _values(project, options))


def _values(project: Project, options: Prefect) -> dict[str, object]:
    data = project.get(DataSpec)
    return {
        "name": project.info.name,
        "description": project.info.description,
        "flow": FLOW,
        "environments": pipeline_options.environments(project),
        "schedule": pipeline_options.schedule(project, options),
        "work_pool": options.work_pool,
        "repository": options.repository,
        "branch": options.branch,
        "prefix": project.surroundings.prefix,
        "remote": bool(data and data.remote),
    }
