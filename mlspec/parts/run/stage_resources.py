"""The section `run` to what each stage of the plan needs. Pure."""

from __future__ import annotations

from dataclasses import replace

from mlspec.plan.stage import Stage, StageResources
from mlspec.sections.run import RunSpec, StageRun
from mlspec.sections.train import TrainSpec
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
        timeout_help=_timeout_help(stage.name, section, project) if timeout else "",
    )
    return replace(stage, resources=resources)


def _timeout_help(stage: str, section: RunSpec, project: Project) -> str:
    """What to change after the limit has stopped the stage: each key that limits it, with its value."""
    own, key = section.resources.get(stage, StageRun()).timeout, f"`run.resources.{stage}.timeout`"
    if own is None:
        text = f"raise `run.timeout` ({section.timeout}), the limit of each stage, or set {key} for this one"
    else:
        text = f"raise {key} ({own})"
        if section.timeout is not None:
            text += f", which replaces `run.timeout` ({section.timeout}) for this stage"
    train = project.get(TrainSpec)
    if stage != "train" or train is None:
        return text
    ends = f"`train.max_time` ({train.max_time}) ends a training before it, with its best checkpoint"
    return f"{text}; a training resumes from its last checkpoint. {ends}"
