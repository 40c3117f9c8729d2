"""The section `run` to what each stage of the plan needs. Pure."""

from __future__ import annotations

from dataclasses import replace

from mlspec.plan.stage import Stage, StageResources
from mlspec.sections.run import RunSpec, StageRun
from mlspec.spec.project import Project
from mlspec.spec.types import duration_seconds, size_bytes


def with_resources(stage: Stage, project: Project) -> Stage:
    """The stage with its time limit, retries and resources; the same without the section `run`."""
    section = project.get(RunSpec)
    if section is None:
        return stage
    own = section.resources.get(stage.name, StageRun())
    timeout = own.timeout or section.timeout
    resources = StageResources(
        timeout=duration_seconds(timeout) if timeout else None,
        retries=section.retries if own.retries is None else own.retries,
        retry_delay=duration_seconds(section.retry_delay),
        cpus=own.cpus,
        memory=size_bytes(own.memory) if own.memory else None,
        gpus=own.gpus,
    )
    return replace(stage, resources=resources)
