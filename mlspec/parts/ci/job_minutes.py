"""How long a job of a workflow may train: from `ci.github.timeout`, or from the time limits of the stages. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from mlspec.diagnostics import Finding, Location
from mlspec.parts.ci.github_limits import LONGEST
from mlspec.plan.stage import Stage
from mlspec.sections.ci import Github
from mlspec.sections.run import RunSpec
from mlspec.sections.train import TrainSpec
from mlspec.spec.project import Project
from mlspec.spec.types import duration_seconds

USUAL = 120
"""Minutes."""
_OTHER_STEPS = 30
"""Minutes for the installation, the DVC cache and the report."""


def training_minutes(project: Project, github: Github, stages: Sequence[Stage]) -> int:
    """`timeout-minutes` of a job that runs all stages which change nothing outside the project."""
    known = {stage.name: stage.resources.timeout for stage in stages if not stage.effects}
    train = project.get(TrainSpec)
    longest = duration_seconds(train.max_time) if train is not None and train.max_time != "off" else 0
    most = {name: limit or (longest if name == "train" else 0) for name, limit in known.items()}
    needed = math.ceil(sum(most.values()) / 60) + _OTHER_STEPS
    return github.timeout or min(LONGEST, needed if all(known.values()) else max(USUAL, needed))


def check_limits(project: Project, github: Github) -> Iterator[Finding]:
    """Time limits of stages, and of the training itself, that no job of a workflow reaches."""
    most = github.timeout or LONGEST
    help = (
        f"raise `ci.github.timeout`; GitHub's limit is {LONGEST}" if github.timeout else "lower it, or train elsewhere"
    )
    for at, what, limit in _limits(project):
        if duration_seconds(limit) > most * 60:
            message = f"the workflows stop a training after {most} minutes, which is less than {what} ({limit})"
            yield Finding("time-limit-too-short", at, message, help, severity="warning")


def _limits(project: Project) -> Iterator[tuple[Location, str, str]]:
    section, train = project.get(RunSpec), project.get(TrainSpec)
    for name, own in section.resources.items() if section is not None else ():
        if own.timeout is not None and name != "deploy":
            yield ("run", "resources", name, "timeout"), f"the time limit of `{name}`", own.timeout
    if section is not None and section.timeout is not None:
        yield ("run", "timeout"), "the time limit of a stage", section.timeout
    if train is not None and train.max_time != "off":
        yield ("train", "max_time"), "`train.max_time`", train.max_time
