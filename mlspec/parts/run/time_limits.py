"""The time limit of a stage against the time that the spec gives to what runs in it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mlspec.diagnostics import Finding, Location
from mlspec.sections.deploy import Deploy
from mlspec.sections.run import RunSpec, StageRun
from mlspec.sections.train import TrainSpec
from mlspec.spec.project import Project
from mlspec.spec.types import duration_seconds

CODE: Final = "time-limit-too-short"


def check(project: Project) -> Iterator[Finding]:
    """Warnings where a stage is stopped before the time of what runs in it is over."""
    section = project.get(RunSpec)
    if section is None:
        return
    train, deploy = project.get(TrainSpec), project.get(Deploy)
    if train is not None and train.max_time != "off" and (limit := _limit(section, "train")) is not None:
        at, text = limit
        if duration_seconds(text) <= duration_seconds(train.max_time):
            message = (
                f"mlspec stops the stage `train` after {text}, so it never reaches `train.max_time` ({train.max_time})"
            )
            help = "lower train.max_time, which keeps the best checkpoint, or raise this limit, which fails the stage"
            yield Finding(CODE, at, message, help, severity="warning")
    if deploy is not None and deploy.rollout is not None and (limit := _limit(section, "deploy")) is not None:
        at, text = limit
        if duration_seconds(text) <= deploy.rollout.longest:
            minutes = -(-deploy.rollout.longest // 60)
            message = f"mlspec stops the stage `deploy` after {text}, and its rollout may take {minutes} minutes"
            help = f"set run.resources.deploy.timeout to more than {minutes}m, or shorten the interval or the patience"
            yield Finding(CODE, at, message, help, severity="warning")


def _limit(section: RunSpec, stage: str) -> tuple[Location, str] | None:
    """The time limit of a stage, and where it is set."""
    own = section.resources.get(stage, StageRun()).timeout
    if own is not None:
        return ("run", "resources", stage, "timeout"), own
    return (("run", "timeout"), section.timeout) if section.timeout is not None else None
